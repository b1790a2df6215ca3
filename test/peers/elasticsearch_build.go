package peers

import (
	"context"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

//go:embed elasticsearch
var elasticsearchFiles embed.FS

// artifacts are the Maven coordinates of an Elasticsearch without its launcher.
func (n Name) artifacts() []string {
	if n == Elasticsearch7 {
		return []string{
			"org.elasticsearch:elasticsearch:7.17.28",
			"org.elasticsearch.plugin:transport-netty4-client:7.17.28",
			"org.apache.logging.log4j:log4j-core:2.17.1",
			"net.java.dev.jna:jna:5.10.0",
		}
	}
	return []string{
		"org.elasticsearch:elasticsearch:8.15.3",
		"org.elasticsearch.plugin:transport-netty4:8.15.3",
	}
}

// pom is a Maven project that depends on the artifacts.
func pom(artifacts []string) string {
	var b strings.Builder
	b.WriteString(`<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>` +
		"<groupId>peer.invalid</groupId><artifactId>elasticsearch</artifactId><version>1</version>\n<dependencies>\n")
	for _, a := range artifacts {
		part := strings.Split(a, ":")
		fmt.Fprintf(&b, "<dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version></dependency>\n", part[0], part[1], part[2])
	}
	b.WriteString("</dependencies>\n</project>\n")
	return b.String()
}

// elasticsearch fetches the jars, lays them out as Elasticsearch's home and
// compiles the launcher into it. The home appears under its name when whole.
func (b *builder) elasticsearch(ctx context.Context, name Name, target string) error {
	dir := filepath.Join(b.cache, "peers", string(name))
	if err := writeFiles(dir, map[string]string{"pom.xml": pom(name.artifacts())}); err != nil {
		return err
	}
	fmt.Fprintf(b.out, "%s: fetch from Maven\n", name)
	if err := b.run(ctx, dir, nil, "mvn", "-B", "-q", "dependency:copy-dependencies", "-DoutputDirectory=jars"); err != nil {
		return err
	}
	home := filepath.Join(dir, "home.new")
	if err := layOut(name, filepath.Join(dir, "jars"), home); err != nil {
		return err
	}
	if err := b.run(ctx, home, nil, "javac", "-cp", launcherClassPath(home), "-d", home, filepath.Join(home, "Server.java")); err != nil {
		return err
	}
	return move(home, target)
}

func launcherVersion(name Name) string {
	if name == Elasticsearch7 {
		return "v7"
	}
	return "v8"
}

func launcherClassPath(home string) string { return filepath.Join(home, "lib", "*") }

func layOut(name Name, jars, home string) error {
	if err := os.RemoveAll(home); err != nil {
		return fmt.Errorf("clear an old layout: %w", err)
	}
	netty := filepath.Join(home, "modules", "transport-netty4")
	for _, dir := range []string{netty, filepath.Join(home, "lib"), filepath.Join(home, "config"), filepath.Join(home, "plugins")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("lay out: %w", err)
		}
	}
	version := launcherVersion(name)
	if version == "v7" {
		if err := os.RemoveAll(filepath.Join(home, "modules")); err != nil {
			return fmt.Errorf("lay out: %w", err)
		}
		netty = filepath.Join(home, "lib")
	}
	if err := linkJars(jars, filepath.Join(home, "lib"), netty); err != nil {
		return err
	}
	copies := map[string]string{version + "/Server.java": "Server.java", "log4j2.properties": "config/log4j2.properties"}
	if version == "v8" {
		copies["plugin-descriptor.properties"] = "modules/transport-netty4/plugin-descriptor.properties"
	}
	return copyEmbedded(copies, home)
}

// linkJars puts the network part's jars into netty and the rest into lib.
func linkJars(jars, lib, netty string) error {
	files, err := filepath.Glob(filepath.Join(jars, "*.jar"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no jars in %s: %w", jars, err)
	}
	for _, file := range files {
		base, dir := filepath.Base(file), lib
		if strings.HasPrefix(base, "netty-") || strings.HasPrefix(base, "transport-netty4") {
			dir = netty
		}
		if err := os.Link(file, filepath.Join(dir, base)); err != nil {
			return fmt.Errorf("lay out: %w", err)
		}
	}
	return nil
}

func copyEmbedded(copies map[string]string, home string) error {
	for from, to := range copies {
		text, err := elasticsearchFiles.ReadFile("elasticsearch/" + from)
		if err != nil {
			return fmt.Errorf("read an embedded file: %w", err)
		}
		if err := os.WriteFile(filepath.Join(home, to), text, 0o644); err != nil {
			return fmt.Errorf("lay out: %w", err)
		}
	}
	return nil
}
