// Package web is temporary.
package web

import "net/http"

// Handler serves nothing yet.
func Handler() http.Handler { return http.NotFoundHandler() }
