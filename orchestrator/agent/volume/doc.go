// Package volume makes the volumes of the node's pods and keeps their contents
// up to date.
//
// A volume lies at <root>/pods/<uid>/volumes/kubernetes.io~<plugin>/<name>, as
// other node agents have it. Contents that come from objects (ConfigMap,
// Secret, downward API, projected) are written beside what is there and swapped
// in with one rename, so that a reader sees either all of the old or all of the
// new. Everything that has to be known after a restart is on the disk: the
// folders themselves, the mount table, and a marker for each emptyDir that is
// ready.
package volume
