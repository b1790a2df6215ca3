package rules

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFilesInTheRepositoryAreWhatIsGenerated(t *testing.T) {
	files, err := Files(DefaultOptions())
	require.NoError(t, err)
	for name, text := range files {
		golden(t, "../../deploy/alerts/"+name, text)
	}
}
