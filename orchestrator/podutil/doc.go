// Package podutil holds small facts about pods that the API server, the
// scheduler, the controllers and the node agent must agree on: the quality of
// service class, effective requests and limits, readiness and the end of life.
// Its functions are pure and safe for concurrent use; none changes its argument
// but those whose name says so.
package podutil
