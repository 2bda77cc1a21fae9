// Package chaos breaks what a program stands on, for tests: its clock, its disk,
// the last bytes that it wrote. Everything it does ends at one process and at
// files of the test. What must hold nevertheless is left to the tests.
package chaos
