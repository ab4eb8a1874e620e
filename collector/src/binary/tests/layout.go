// Where this version of Go keeps the descriptor behind a tls.Conn: prints its version and the three offsets of
// collector/src/binary/go_layout.rs. `cargo xtask go-layouts` runs it by each version.
package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"reflect"
	"runtime"
)

func field(of reflect.Type, name string) reflect.StructField {
	f, found := of.FieldByName(name)
	if !found {
		panic(of.String() + " has no " + name)
	}
	return f
}

// outer is the embedded structure's offset; that of a field found through it counts from there.
func main() {
	conn := field(reflect.TypeOf(tls.Conn{}), "conn")
	outer := field(reflect.TypeOf(net.TCPConn{}), "conn")
	fd := field(outer.Type, "fd")
	pfd := field(fd.Type.Elem(), "pfd")
	sysfd := field(pfd.Type, "Sysfd")
	fmt.Println(runtime.Version(), conn.Offset, outer.Offset+fd.Offset, pfd.Offset+sysfd.Offset)
}
