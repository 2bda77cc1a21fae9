// Package content is what Holdfast ships as data: rules, checks, requirements,
// playbooks and drills, each with a matching and a non-matching case beside it.
package content

import "embed"

// FS holds the folders rules, checks and requirements.
//
//go:embed all:rules all:checks all:requirements
var FS embed.FS
