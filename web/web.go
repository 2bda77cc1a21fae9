// Package web holds Holdfast's console: the built single-page application,
// embedded in the program, and the handler that serves it.
package web

import (
	"bytes"
	"embed"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed all:dist
var dist embed.FS

const contentSecurityPolicy = "default-src 'none'; script-src 'self'; font-src 'self'; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; " +
	"base-uri 'none'; form-action 'self'"

const notBuilt = "The console is not built: run make web\n"

// Handler serves the console. A path that names a built file gets that file;
// any other path gets index.html, so that the console's own routes survive a
// reload; only under "static/", where the build puts its files, nothing is
// ever a route.
func Handler() http.Handler {
	sub, err := fs.Sub(dist, "dist")
	if err != nil { // Only an invalid path can fail, and "dist" is valid.
		panic(err)
	}
	return handler(sub)
}

func handler(files fs.FS) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentSecurityPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}

		name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
		static := strings.HasPrefix(name, "static/")
		if name != "" && !strings.HasPrefix(path.Base(name), ".") {
			if data, err := fs.ReadFile(files, name); err == nil {
				if static {
					h.Set("Cache-Control", "public, max-age=31536000, immutable")
				} else {
					h.Set("Cache-Control", "no-cache")
				}
				http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(data))
				return
			}
		}
		if static {
			http.NotFound(w, r)
			return
		}

		if strings.HasPrefix(name, "api/") {
			http.NotFound(w, r)
			return
		}
		h.Set("Cache-Control", "no-cache")
		index, err := fs.ReadFile(files, "index.html")
		if err != nil {
			http.Error(w, notBuilt, http.StatusServiceUnavailable)
			return
		}
		http.ServeContent(w, r, "index.html", time.Time{}, bytes.NewReader(index))
	})
}
