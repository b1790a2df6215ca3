// Package validation checks API objects as the Kubernetes API server does, with
// its field paths and its wording, so that clients and their tests see the same
// errors. All functions are pure and safe for concurrent use. They expect
// objects with their defaults set, and never panic on others.
//
// ValidateXCreate checks a new object, ValidateXUpdate what a change may touch,
// ValidateXStatusUpdate what a change of the status may.
package validation
