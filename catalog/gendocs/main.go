// Command gendocs writes docs/metrics.md from the catalog to standard output.
package main

import (
	"fmt"
	"os"

	"github.com/lubberline/lubberline/catalog"
)

func main() {
	if _, err := fmt.Print(catalog.Markdown()); err != nil {
		fmt.Fprintln(os.Stderr, "gendocs:", err)
		os.Exit(1)
	}
}
