//go:build linux && cgo

package events

/*
#include <stddef.h>
#include <stdint.h>

// Of jemalloc, which DuckDB's library brings under this name; weak, as it need not.
__attribute__((weak)) int duckdb_je_mallctl(const char *, void *, size_t *, void *, size_t);

static int hf_number(const char *name, size_t *to) {
	size_t n = sizeof *to;
	return duckdb_je_mallctl(name, to, &n, NULL, 0) == 0;
}

// 4096 stands for all arenas.
static size_t hf_spare(void) {
	uint64_t now = 1;
	size_t dirty, muzzy, page;
	if (!duckdb_je_mallctl || duckdb_je_mallctl("epoch", NULL, NULL, &now, sizeof now)) return 0;
	if (!hf_number("stats.arenas.4096.pdirty", &dirty) || !hf_number("stats.arenas.4096.pmuzzy", &muzzy) || !hf_number("arenas.page", &page)) return 0;
	return (dirty + muzzy) * page;
}

static void hf_purge(void) { duckdb_je_mallctl("arena.4096.purge", NULL, NULL, NULL, 0); }
*/
import "C"

// spare is how many bytes DuckDB's allocator has that nothing uses.
func spare() uint64 { return uint64(C.hf_spare()) }

// purge gives them back to the system. It is called only where spare found some.
func purge() { C.hf_purge() }
