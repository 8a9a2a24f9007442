// submit PENDING ID FILE: submits the file in each way that Go has, and prints the ids.
package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

var pending, prefix, source = os.Args[1], os.Args[2], os.Args[3]

func path(way string) string {
	fmt.Printf("%s-%s\n", prefix, way)
	return fmt.Sprintf("%s/%s-%s", pending, prefix, way)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	command, err := os.ReadFile(source)
	must(err)
	must(os.WriteFile(path("WriteFile"), command, 0o644))

	late := path("Chmod")
	must(os.WriteFile(late, command, 0o644))
	must(os.Chmod(late, 0o600))
	must(os.Chtimes(late, time.Now(), time.Now()))

	temporary, err := os.CreateTemp(pending, "job-")
	must(err)
	_, err = temporary.Write(command)
	must(err)
	must(temporary.Close())
	must(os.Rename(temporary.Name(), path("CreateTemp")))

	from, err := os.Open(source)
	must(err)
	to, err := os.Create(path("Copy"))
	must(err)
	_, err = io.Copy(to, from)
	must(err)
	must(to.Sync())
	must(to.Close())

	exclusive, err := os.OpenFile(path("OpenFile"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	must(err)
	_, err = exclusive.WriteString(string(command))
	must(err)
	must(exclusive.Close())
}
