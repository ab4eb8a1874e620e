// burn SECONDS: as burn.c.
package main

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
)

var sink uint64

//go:noinline
func spin(n uint64) uint64 {
	v := n
	for ; n > 0; n-- {
		v = v*6364136223846793005 + n
	}
	return v
}

//go:noinline
func inner(n uint64) { sink += spin(n) }

//go:noinline
func alpha(n uint64) { inner(n); sink++ }

//go:noinline
func beta(n uint64) { sink += spin(n) }

func cpuNs() int64 {
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return used.Utime.Nano() + used.Stime.Nano()
}

func main() {
	seconds, _ := strconv.ParseFloat(os.Args[1], 64)
	r := uint32(1)
	for cpuNs() < int64(seconds*1e9) {
		r = r*1103515245 + 12345
		part := uint64(40000 + (r>>8)%160000)
		alpha(7 * part)
		beta(3 * part)
	}
	fmt.Printf("pid %d\ncpu %d\n", os.Getpid(), cpuNs())
}
