package flat

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unsafe"
)

// Table gathers rows of type T column by column, so that they can be put in order
// and written (WriteTable) without a look at each row again: what has a dictionary
// is a number from the beginning. Other texts are the caller's until Clear. It serves
// one goroutine.
type Table[T any] struct {
	rows    int
	columns []gathered
}

// gathered is a column of a table. What it does not have is nil.
type gathered struct {
	name    string
	place   uintptr
	words   *words
	index   []int32
	numbers []int64
	texts   []string
	bytes   bool // texts were slices of bytes
}

// NewTable makes a table of rows that New takes; of others it panics.
func NewTable[T any]() *Table[T] {
	t := &Table[T]{}
	of := reflect.TypeFor[T]()
	for i := range of.NumField() {
		f := of.Field(i)
		name, tags, _ := strings.Cut(f.Tag.Get("parquet"), ",")
		g := gathered{name: name, place: f.Offset}
		switch {
		case f.Type.Kind() == reflect.Int64:
			g.numbers = []int64{}
		case slices.Contains(strings.Split(tags, ","), "dict"):
			g.words = &words{}
		case f.Type.Kind() == reflect.String:
			g.texts = []string{}
		case f.Type == reflect.TypeFor[[]byte]():
			g.texts, g.bytes = []string{}, true
		default:
			panic(fmt.Sprintf("flat: the column %s of %s is no text, bytes or number", f.Name, of))
		}
		t.columns = append(t.columns, g)
	}
	return t
}

// Add adds a row.
func (t *Table[T]) Add(r *T) {
	for i := range t.columns {
		g := &t.columns[i]
		at := unsafe.Add(unsafe.Pointer(r), g.place) //nolint:gosec // the field's place
		switch {
		case g.words != nil:
			g.index = append(g.index, g.words.number(*(*string)(at)))
		case g.numbers != nil:
			g.numbers = append(g.numbers, *(*int64)(at))
		default: // the beginning of a slice of bytes is that of a text
			g.texts = append(g.texts, *(*string)(at))
		}
	}
	t.rows++
}

// Len counts the rows.
func (t *Table[T]) Len() int { return t.rows }

// Row is a row as it was added. Its texts are valid until the next Add or Clear.
func (t *Table[T]) Row(n int) (r T) {
	for i := range t.columns {
		g := &t.columns[i]
		at := unsafe.Add(unsafe.Pointer(&r), g.place) //nolint:gosec // the field's place
		switch {
		case g.words != nil:
			*(*string)(at) = g.words.at(g.index[n])
		case g.numbers != nil:
			*(*int64)(at) = g.numbers[n]
		case g.bytes:
			*(*[]byte)(at) = unsafe.Slice(unsafe.StringData(g.texts[n]), len(g.texts[n])) //nolint:gosec // as they came
		default:
			*(*string)(at) = g.texts[n]
		}
	}
	return r
}

// Clear makes it empty, to be used again.
func (t *Table[T]) Clear() {
	t.rows = 0
	for i := range t.columns {
		g := &t.columns[i]
		clear(g.texts)
		g.index, g.numbers, g.texts = g.index[:0], g.numbers[:0], g.texts[:0]
		if g.words != nil {
			g.words.clear()
		}
	}
}

func (t *Table[T]) column(name string) *gathered {
	i := slices.IndexFunc(t.columns, func(g gathered) bool { return g.name == name })
	if i < 0 {
		panic("flat: there is no column " + name)
	}
	return &t.columns[i]
}

// Numbers are the values of a column of numbers, by row.
func (t *Table[T]) Numbers(name string) []int64 { return t.column(name).numbers }

// Texts are the values of a column of texts without a dictionary, by row.
func (t *Table[T]) Texts(name string) []string { return t.column(name).texts }

// Words are the different texts of a column that has a dictionary, valid until the
// next Add or Clear, and the number of each row's.
func (t *Table[T]) Words(name string) (words []string, index []int32) {
	g := t.column(name)
	words = make([]string, len(g.words.ends))
	for i := range words {
		words[i] = g.words.at(int32(i))
	}
	return words, g.index
}

// WriteTable adds the rows of a table in an order: order has the numbers of rows.
// They stand in row groups of their own.
func (w *Writer[T]) WriteTable(t *Table[T], order []int32) error {
	w.endGroup()
	for part := range slices.Chunk(order, groupRows) {
		for i := range w.columns {
			if err := w.columns[i].take(&t.columns[i], part, &w.scratch); err != nil {
				return w.fail(err)
			}
		}
		w.rows = len(part)
		w.endGroup()
	}
	return w.err
}

// take takes the values of rows in an order. The words are the table's until clear.
func (c *column) take(g *gathered, order []int32, s *scratch) error {
	switch {
	case g.words != nil:
		c.words = g.words
		for _, i := range order {
			c.index = append(c.index, g.index[i])
			if c.full() {
				if err := c.endPage(s); err != nil {
					return err
				}
			}
		}
	case g.numbers != nil:
		for _, i := range order {
			c.number(g.numbers[i])
			if c.full() {
				if err := c.endPage(s); err != nil {
					return err
				}
			}
		}
	default:
		for _, i := range order {
			c.text(g.texts[i])
			if c.full() {
				if err := c.endPage(s); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
