package events

// mostSpare is how much memory DuckDB's allocator may keep that nothing uses, to be
// fast the next time: what usual searches take. What a large one leaves would else
// stand beside what the next one takes, so that both together pass DuckDB's limit by
// a third.
const mostSpare = 32 << 20

// ended is called when a search or the counting of a segment is over.
func ended() {
	if spare() > mostSpare {
		purge()
	}
}
