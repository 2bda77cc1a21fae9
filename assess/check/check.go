// Package check is the contract of a check: YAML with one CEL expression over
// fact tables, and the verdict it gives. Collecting the facts is left to
// package collect, keeping verdicts to package assess.
package check
