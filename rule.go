package holdfast

// RuleInfo describes a loaded detection or correlation rule to people.
type RuleInfo struct {
	ID        string    `json:"id"`
	Name      string    `json:"name,omitempty"`
	Title     string    `json:"title"`
	Level     Level     `json:"level"`
	Kind      string    `json:"kind"` // detection, correlation
	File      string    `json:"file"`
	Logsource Logsource `json:"logsource"`
	Attack    []string  `json:"attack,omitempty"`
	Silent    bool      `json:"silent,omitempty"` // feeds a correlation, makes no alert itself
	Source    string    `json:"source,omitempty"`
}
