// Package all lists every collector that Holdfast ships.
package all

import (
	"holdfast/assess/collect"
	"holdfast/assess/collect/linux"
)

// All lists them by name.
func All() []collect.Collector { return linux.Collectors() }
