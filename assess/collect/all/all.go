// Package all lists every collector that Holdfast ships.
package all

import "holdfast/assess/collect"

// All lists them by name.
func All() []collect.Collector { return []collect.Collector{} }
