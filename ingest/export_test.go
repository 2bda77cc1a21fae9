package ingest

// Waiting returns how many calls wait for the block on its way.
func Waiting(in *Ingest) int {
	in.mu.Lock()
	defer in.mu.Unlock()
	n := 0
	for _, q := range in.pending.by {
		n += len(q.groups)
	}
	return n
}
