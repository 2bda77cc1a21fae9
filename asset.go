package holdfast

import "time"

// Asset is a host, identity, network, service or cloud resource.
type Asset struct {
	ID   string            `json:"id"`
	Kind string            `json:"kind"` // "host" for all that an agent reports
	Name string            `json:"name"` // what people call it: the host name, unless told otherwise
	Host string            `json:"host"` // host name, as the host says
	OS   string            `json:"os"`   // linux, windows, darwin
	Tags map[string]string `json:"tags,omitempty"`
	Zone string            `json:"zone,omitempty"`
	// Class says how much confidentiality, integrity and availability matter:
	// low, moderate, high (FIPS 199). Empty is moderate.
	Class     Class     `json:"class"`
	Addresses []string  `json:"addresses"`
	Agent     string    `json:"agent,omitempty"` // version of its agent
	Enrolled  time.Time `json:"enrolled"`
	Seen      time.Time `json:"seen"`
	Local     bool      `json:"local,omitempty"` // the host Holdfast itself runs on
	Lacks     []string  `json:"lacks,omitempty"` // rights its agent does not have, and what that costs
}

// Class grades an asset.
type Class struct {
	Confidentiality string `json:"confidentiality,omitempty" yaml:"confidentiality"`
	Integrity       string `json:"integrity,omitempty" yaml:"integrity"`
	Availability    string `json:"availability,omitempty" yaml:"availability"`
}

// Label returns what a selector asks for: kind, name, id, os, zone, then tags.
func (a *Asset) Label(key string) (string, bool) {
	switch key {
	case "kind":
		return a.Kind, true
	case "name", "host":
		return a.Name, true
	case "id":
		return a.ID, true
	case "os":
		return a.OS, true
	case "zone":
		return a.Zone, a.Zone != ""
	}
	v, ok := a.Tags[key]
	return v, ok
}
