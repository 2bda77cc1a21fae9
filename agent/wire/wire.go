// Package wire is the language between an agent and its server: JSON bodies,
// compressed with zstd, over HTTP/2 and mutual TLS 1.3. It holds the messages
// and their limits; keeping identities, storing and carrying out is left to
// packages port and agent.
//
// Every message is a POST. Who is speaking is never in a message: the server
// takes it from the client's certificate.
package wire

import (
	"time"

	"holdfast"
)

// Version is the version of the protocol, sent in HeaderVersion with every
// request. A server refuses a version it does not know.
const Version = 1

// HeaderVersion carries Version.
const HeaderVersion = "Holdfast-Protocol"

// ServerName is the DNS name that every server certificate of an agent port
// carries. Agents ask for it whatever address they dial: they trust one private
// authority, which signs servers for nothing else.
const ServerName = "agents.holdfast"

// The paths of the protocol.
const (
	PathEnrol     = "/v1/enrol"
	PathRenew     = "/v1/renew"
	PathEvents    = "/v1/events"
	PathHeartbeat = "/v1/heartbeat"
	PathFacts     = "/v1/facts"
	PathTasks     = "/v1/tasks"
	PathResult    = "/v1/result"
)

// Limits, for bodies after decompression. A compressed body is never larger.
const (
	MaxSmall  = 256 << 10 // enrolment, renewal, heartbeat, answers without content
	MaxEvents = 16 << 20  // a batch: MaxRaw as base64, and room for the names
	MaxFacts  = 64 << 20  // facts, and results that carry them
	MaxTasks  = 16 << 20  // a list of tasks

	MaxRecords = 1000    // records in a batch
	MaxRaw     = 8 << 20 // raw bytes in a batch
)

// PollFor is the longest that a request for tasks waits for one.
const PollFor = 25 * time.Second

// Host is what a host says of itself when it enrols. None of it is proof.
type Host struct {
	Name      string   `json:"name"`
	OS        string   `json:"os"`
	Arch      string   `json:"arch"`
	Addresses []string `json:"addresses"`
	Version   string   `json:"version"` // of the agent
	// Key is the hex SHA-256 of the public key that enrols. The server fills it
	// in from the request it has checked; what an agent sends is overwritten.
	Key string `json:"key,omitempty"`
}

// Enrol asks for an identity. Secret is the secret part of a one-use token.
type Enrol struct {
	Secret string `json:"secret"`
	CSR    []byte `json:"csr"` // PKCS #10, DER
	Host   Host   `json:"host"`
}

// Enrolled is the identity.
type Enrolled struct {
	Asset       string    `json:"asset"`
	Certificate []byte    `json:"certificate"` // DER
	CA          []byte    `json:"ca"`          // DER
	TaskKey     []byte    `json:"task_key"`    // Ed25519 public key that signs tasks
	Renew       time.Time `json:"renew"`       // when to ask for the next certificate
}

// Renew asks for the next certificate. It is allowed with a certificate that
// has run out, for as long as port.Grace, so that an agent whose server was
// away for days finds its way back.
type Renew struct {
	CSR []byte `json:"csr"`
}

// Renewed is the next certificate.
type Renewed struct {
	Certificate []byte    `json:"certificate"`
	CA          []byte    `json:"ca"`
	Renew       time.Time `json:"renew"`
}

// Events is one immutable batch. The same ID always holds the same records, so
// a batch that is sent again is known.
type Events struct {
	ID      string            `json:"id"` // "agent-<asset>-<spool>-<first>-<last>"
	Records []holdfast.Record `json:"records"`
}

// Accepted says that a batch is on the server's disk.
type Accepted struct {
	Stored  int  `json:"stored"`            // parsed events
	Dead    int  `json:"dead,omitempty"`    // dead-lettered
	Reject  int  `json:"reject,omitempty"`  // rejected, with a reason in the ledger
	Doubled bool `json:"doubled,omitempty"` // the batch had been stored before
}

// Heartbeat says that the agent lives and how well it is.
type Heartbeat struct {
	Host  Host     `json:"host"`
	Lacks []string `json:"lacks,omitempty"` // rights it does not have, and what that costs
	Spool Spool    `json:"spool"`
	// Notes holds what troubles a source, by the source's name. A source that
	// is well is not in it.
	Notes map[string]string `json:"notes,omitempty"`
	Armed int               `json:"armed"` // undos that are armed on the host
}

// Spool is how much waits on the agent's disk.
type Spool struct {
	Bytes   int64     `json:"bytes"`
	Max     int64     `json:"max"`
	Records int       `json:"records"` // not yet acknowledged
	Oldest  time.Time `json:"oldest,omitzero"`
	Full    bool      `json:"full,omitempty"`
}

// Ask asks for tasks; it waits up to PollFor for one. Have lists the ids that
// the agent is at work on or has a result for, which it need not be told again.
type Ask struct {
	Have []string `json:"have,omitempty"`
}

// Tasks is the answer to Ask; empty when none came in time.
type Tasks struct {
	Tasks []holdfast.Task `json:"tasks"`
}

// Done is the answer to a message that asks for nothing.
type Done struct{}

// Codes of problems that an agent reacts to.
const (
	CodeExpired = "expired" // the certificate ran out: renew
	CodeUnknown = "unknown" // unknown or revoked: enrol again
	CodeFull    = "full"    // no room: later
	CodeToken   = "token"   // the enrolment token is wrong or used up
)

// Problem is the body of every answer that is not 200.
type Problem struct {
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
}

func (p Problem) Error() string { return p.Message }
