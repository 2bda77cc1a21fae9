// Package all lists every artefact that Holdfast ships.
package all

import (
	"holdfast/control/artefact"
	"holdfast/control/artefact/nfttable"
	"holdfast/control/artefact/sshddropin"
	"holdfast/control/artefact/sysctldropin"
)

// All lists them by name.
func All() []artefact.Artefact {
	return []artefact.Artefact{nfttable.Artefact(), sshddropin.Artefact(), sysctldropin.Artefact()}
}
