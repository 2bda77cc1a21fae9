package health

import (
	"fmt"
	"time"
)

const (
	diskEvery = time.Hour
	diskKept  = 7 * 24
	diskLeast = 6 // samples before growth means something
)

// forecast is what the disk of the data folder has shown.
type forecast struct {
	Samples []diskSample `json:"samples,omitempty"` // hourly, the newest last
	Free    uint64       `json:"free,omitempty"`
	Total   uint64       `json:"total,omitempty"`
	Reserve uint64       `json:"reserve,omitempty"`
	Low     time.Time    `json:"low,omitzero"` // since when it is a trouble
}

type diskSample struct {
	At   time.Time `json:"at"`
	Used uint64    `json:"used"`
}

// Forecast is how the disk fills.
type Forecast struct {
	Free    uint64 `json:"free"`
	Total   uint64 `json:"total"`
	Reserve uint64 `json:"reserve"`
	// PerDay is by how many bytes it grows, and Days how long that lasts; both 0
	// while that is not known, or it does not grow.
	PerDay float64 `json:"per_day"`
	Days   float64 `json:"days_left"`
	Hours  int     `json:"hours_seen"`
}

// SeeDisk takes in how full the disk is.
func (m *Model) SeeDisk(now time.Time, free, total, reserve uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := &m.disk
	if total != d.Total {
		d.Samples = nil // another disk, or another size
	}
	d.Free, d.Total, d.Reserve = free, total, reserve
	if n := len(d.Samples); n > 0 && now.Sub(d.Samples[n-1].At) < diskEvery && !now.Before(d.Samples[n-1].At) {
		return
	}
	d.Samples = append(d.Samples, diskSample{now, total - min(free, total)})
	d.bound()
}

func (d *forecast) bound() {
	if n := len(d.Samples) - diskKept; n > 0 {
		d.Samples = append(d.Samples[:0], d.Samples[n:]...)
	}
}

// Disk returns how the disk fills.
func (m *Model) Disk() Forecast {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.disk.forecast()
}

// forecast draws the line that fits the samples best.
func (d *forecast) forecast() Forecast {
	out := Forecast{Free: d.Free, Total: d.Total, Reserve: d.Reserve, Hours: len(d.Samples)}
	n := float64(len(d.Samples))
	if len(d.Samples) < diskLeast {
		return out
	}
	var sx, sy, sxx, sxy float64
	first := d.Samples[0]
	for _, s := range d.Samples {
		x, y := s.At.Sub(first.At).Hours()/24, float64(s.Used)-float64(first.Used)
		sx, sy, sxx, sxy = sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	below := n*sxx - sx*sx
	if below <= 0 {
		return out
	}
	slope := (n*sxy - sx*sy) / below
	if slope < 1<<20 { // less than a MiB a day is no growth
		return out
	}
	out.PerDay = slope
	out.Days = max(float64(d.Free)-float64(d.Reserve), 0) / slope
	return out
}

func (d *forecast) judge(now time.Time, l *Limits) (Trouble, bool) {
	if d.Total == 0 {
		return Trouble{}, false
	}
	f := d.forecast()
	t := Trouble{
		Kind: Disk, Subject: "disk",
		Do: "make room, give the data folder a larger disk, or keep less: holdfast store retention; nothing that was acknowledged is lost, and senders are told to wait",
	}
	share := float64(d.Free) / float64(d.Total)
	switch {
	case d.Free < 2*d.Reserve || share < l.Free:
		t.What = fmt.Sprintf("the disk of the data folder has %s left, %.1f%%; at %s new events are refused", size(d.Free), 100*share, size(d.Reserve))
		t.Now = d.Free < 2*d.Reserve
	case f.Days > 0 && f.Days < l.Days:
		t.What = fmt.Sprintf("the disk of the data folder is full in about %.1f days: %s are free and %s come a day", f.Days, size(d.Free), size(uint64(f.PerDay)))
	default:
		d.Low = time.Time{}
		return Trouble{}, false
	}
	if d.Low.IsZero() {
		d.Low = now
	}
	t.Since = d.Low
	return t, true
}

func size(n uint64) string {
	x, i := float64(n), 0
	for x >= 1024 && i < 5 {
		x /= 1024
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %ciB", x, "KMGTP"[i-1])
}
