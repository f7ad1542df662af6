package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"path"
	"strings"
)

// users and groups are those of the distroless images, so that `ps` shows names. Root also gets a shell.
const (
	users = "root:x:0:0:root:/root:/bin/sh\n" +
		"nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n" +
		"nonroot:x:65532:65532:nonroot:/home/nonroot:/bin/false\n"
	groups = "root:x:0:\nnobody:x:65534:\nnonroot:x:65532:\n"
)

// layer is a tar archive that is being written. It adds missing parent folders.
type layer struct {
	*tar.Writer
	dirs map[string]bool
}

// writeLayer returns the single layer of an image: /tmp, /etc/passwd, /etc/group and the items.
func writeLayer(items []string) ([]byte, error) {
	var out bytes.Buffer
	l := layer{Writer: tar.NewWriter(&out), dirs: map[string]bool{}}
	if err := l.dir("tmp", 0o1777); err != nil {
		return nil, err
	}
	if err := l.file("etc/passwd", 0o644, []byte(users)); err != nil {
		return nil, err
	}
	if err := l.file("etc/group", 0o644, []byte(groups)); err != nil {
		return nil, err
	}
	for _, item := range items {
		if err := l.item(item); err != nil {
			return nil, fmt.Errorf("item %q: %w", item, err)
		}
	}
	if err := l.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func (l layer) item(item string) error {
	if link, target, ok := strings.Cut(item, "->"); ok {
		return l.link(strings.TrimPrefix(link, "/"), target)
	}
	source, name, ok := strings.Cut(item, "=/")
	if !ok {
		return fmt.Errorf("neither SOURCE=/PATH nor /LINK->TARGET")
	}
	content, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	return l.file(name, 0o755, content)
}

func (l layer) file(name string, mode int64, content []byte) error {
	if err := l.parents(name); err != nil {
		return err
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(content))}
	if err := l.WriteHeader(header); err != nil {
		return err
	}
	_, err := l.Write(content)
	return err
}

func (l layer) link(name, target string) error {
	if err := l.parents(name); err != nil {
		return err
	}
	return l.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777})
}

func (l layer) parents(name string) error {
	parent := path.Dir(name)
	if parent == "." || l.dirs[parent] {
		return nil
	}
	if err := l.parents(parent); err != nil {
		return err
	}
	return l.dir(parent, 0o755)
}

func (l layer) dir(name string, mode int64) error {
	l.dirs[name] = true
	return l.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode})
}
