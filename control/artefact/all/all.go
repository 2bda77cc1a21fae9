// Package all lists every artefact that Holdfast ships.
package all

import (
	"holdfast/control/artefact"
	"holdfast/control/artefact/sshddropin"
)

// All lists them by name.
func All() []artefact.Artefact { return []artefact.Artefact{sshddropin.Artefact()} }
