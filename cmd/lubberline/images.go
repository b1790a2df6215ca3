package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"text/tabwriter"

	"github.com/spf13/cobra"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/lubberline/lubberline/config"
	"github.com/lubberline/lubberline/orchestrator/runtime"
	"github.com/lubberline/lubberline/orchestrator/runtime/imagefile"
	"github.com/lubberline/lubberline/up"
)

// imagesFlags say which runtime's images are meant.
type imagesFlags struct{ socket, programs string }

func imagesCommand() *cobra.Command {
	var flags imagesFlags
	cmd := &cobra.Command{Use: "images", Short: "The images that pods can use without a registry"}
	f := cmd.PersistentFlags()
	f.StringVar(&flags.socket, "socket", up.RuntimeLink, "CRI socket of the container runtime")
	f.StringVar(&flags.programs, "programs", "", "folder of the bundled runtime's programs (default: beside this one)")
	cmd.AddCommand(imagesList(&flags), imagesImport(&flags), imagesExport(&flags), imagesBuild(&flags), imagesBusybox(&flags))
	return cmd
}

func imagesList(flags *imagesFlags) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the images of this machine", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := (runtime.Images{Socket: flags.socket}).List(cmd.Context())
			if err != nil {
				return err
			}
			return printImages(cmd.OutOrStdout(), list)
		},
	}
}

func printImages(out io.Writer, list []*cri.Image) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "IMAGE\tSIZE\tID")
	for _, image := range list {
		names := image.GetRepoTags()
		if len(names) == 0 {
			names = []string{"<none>"}
		}
		for _, name := range names {
			fmt.Fprintf(w, "%s\t%s\t%.19s\n", name, config.Size(image.GetSize()), image.GetId())
		}
	}
	return w.Flush()
}

func imagesImport(flags *imagesFlags) *cobra.Command {
	return &cobra.Command{
		Use: "import FILE…", Short: "Import archives made by `docker save` or OCI tools; - is the standard input", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			for _, file := range files {
				if err := flags.importFile(cmd.Context(), file); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func (flags *imagesFlags) importFile(ctx context.Context, file string) error {
	if file == "-" {
		return flags.importFrom(ctx, os.Stdin)
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := flags.importFrom(ctx, f); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

func (flags *imagesFlags) importFrom(ctx context.Context, archive io.Reader) error {
	programs, err := runtime.FindPrograms(flags.programs)
	if err != nil {
		return err
	}
	return runtime.Images{BinDir: programs, Socket: flags.socket}.Import(ctx, archive)
}

func imagesExport(flags *imagesFlags) *cobra.Command {
	return &cobra.Command{
		Use: "export IMAGE…", Short: "Write an archive of images to the standard output, for another machine's import", Args: cobra.MinimumNArgs(1),
		Example: "  lubberline images export web:1 | ssh other lubberline images import -",
		RunE: func(cmd *cobra.Command, names []string) error {
			programs, err := runtime.FindPrograms(flags.programs)
			if err != nil {
				return err
			}
			return runtime.Images{BinDir: programs, Socket: flags.socket}.Export(cmd.Context(), cmd.OutOrStdout(), names...)
		},
	}
}

func imagesBuild(flags *imagesFlags) *cobra.Command {
	var image imagefile.Image
	var from, output string
	cmd := &cobra.Command{
		Use: "build", Short: "Make an image of a folder and import it", Args: cobra.NoArgs,
		Example: "  CGO_ENABLED=0 go build -o image/web ./deploy/examples/web\n" +
			"  lubberline images build --from image --name web:1 --entrypoint /web --env VERSION=1",
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if image.Files, err = imagefile.Folder(from); err != nil {
				return err
			}
			return flags.finish(cmd, image, output)
		},
	}
	f := cmd.Flags()
	f.StringVar(&from, "from", "", "folder that is the image's root")
	f.StringVar(&image.Name, "name", "", "name and tag of the image")
	f.StringArrayVar(&image.Entrypoint, "entrypoint", nil, "program that is run; once for it and for each argument")
	f.StringArrayVar(&image.Env, "env", nil, "NAME=VALUE in the program's environment")
	f.StringVarP(&output, "output", "o", "", "write the archive to this file and import nothing")
	cobra.CheckErr(cmd.MarkFlagRequired("from"))
	cobra.CheckErr(cmd.MarkFlagRequired("name"))
	return cmd
}

// finish imports an image, or writes its archive to a file.
func (flags *imagesFlags) finish(cmd *cobra.Command, image imagefile.Image, output string) error {
	var archive bytes.Buffer
	if err := image.Write(&archive); err != nil {
		return err
	}
	if output != "" {
		return os.WriteFile(output, archive.Bytes(), 0o644)
	}
	if err := flags.importFrom(cmd.Context(), &archive); err != nil {
		return err
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), image.Name)
	return err
}

func imagesBusybox(flags *imagesFlags) *cobra.Command {
	var program, name, output string
	cmd := &cobra.Command{
		Use: "build-busybox", Short: "Make an image of this machine's static busybox and import it", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			image, err := busybox(program, name)
			if err != nil {
				return err
			}
			return flags.finish(cmd, image, output)
		},
	}
	cmd.Flags().StringVar(&program, "program", "", "static busybox program (default: the one on the PATH)")
	cmd.Flags().StringVar(&name, "name", imagefile.BusyboxName, "name and tag of the image")
	cmd.Flags().StringVarP(&output, "output", "o", "", "write the archive to this file and import nothing")
	return cmd
}

func busybox(program, name string) (imagefile.Image, error) {
	if program == "" {
		found, err := exec.LookPath("busybox")
		if err != nil {
			return imagefile.Image{}, errors.New("no busybox on the PATH: apt-get install busybox-static")
		}
		program = found
	}
	return imagefile.Busybox(program, name)
}
