// Package arch holds the tests of the house's plan: which package may import
// which, which folders there are, and that every package says what it is for.
package arch
