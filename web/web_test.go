package web

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func TestHandler(t *testing.T) {
	built := fstest.MapFS{
		"index.html":    {Data: []byte("<!doctype html><title>Holdfast</title>")},
		"static/app.js": {Data: []byte("export {}")},
		"favicon.svg":   {Data: []byte("<svg/>")},
		".keep":         {Data: []byte("")},
	}
	tests := []struct {
		name, method, path string
		files              fs.FS
		status             int
		body, cache        string
	}{
		{"root", "GET", "/", built, 200, "Holdfast", "no-cache"},
		{"route", "GET", "/incidents/7", built, 200, "Holdfast", "no-cache"},
		{"route with a dot", "GET", "/assets/web1.example", built, 200, "Holdfast", "no-cache"},
		{"asset", "GET", "/static/app.js", built, 200, "export", "public, max-age=31536000, immutable"},
		{"missing asset", "GET", "/static/gone.js", built, 404, "404", ""},
		{"other file", "GET", "/favicon.svg", built, 200, "<svg/>", "no-cache"},
		{"placeholder stays hidden", "GET", "/.keep", built, 200, "Holdfast", "no-cache"},
		{"traversal", "GET", "/../web.go", built, 200, "Holdfast", "no-cache"},
		{"unknown api route", "GET", "/api/v1/nothing", built, 404, "404", ""},
		{"post", "POST", "/", built, 405, "not allowed", ""},
		{"not built", "GET", "/", fstest.MapFS{".keep": {}}, 503, "The console is not built: run make web", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(tt.method, "http://h/", http.NoBody)
			r.URL.Path = tt.path
			handler(tt.files).ServeHTTP(w, r)
			if w.Code != tt.status {
				t.Errorf("status %d, want %d", w.Code, tt.status)
			}
			if !strings.Contains(w.Body.String(), tt.body) {
				t.Errorf("body %q does not hold %q", w.Body, tt.body)
			}
			if got := w.Header().Get("Cache-Control"); tt.cache != "" && got != tt.cache {
				t.Errorf("Cache-Control %q, want %q", got, tt.cache)
			}
			if got := w.Header().Get("X-Content-Type-Options"); got != "nosniff" {
				t.Errorf("X-Content-Type-Options %q", got)
			}
			if got := w.Header().Get("Content-Security-Policy"); !strings.Contains(got, "frame-ancestors 'none'") {
				t.Errorf("Content-Security-Policy %q", got)
			}
		})
	}
}

func TestHandlerEmbedded(t *testing.T) {
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	if w.Code != http.StatusOK && w.Code != http.StatusServiceUnavailable {
		t.Errorf("status %d", w.Code)
	}
}
