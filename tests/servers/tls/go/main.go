// HTTPS by Go's net/http and crypto/tls, for the tests.
//
//	serve PORT CERT KEY              HTTP/1.1, and HTTP/2 by ALPN
//	client URL CA COUNT PAUSE_MS     HTTP/1.1, requests on one connection; what was asked and answered is a line each:
//	                                 METHOD PATH STATUS SENT RECEIVED, separated by tabs
//	client2 URL CA COUNT PAUSE_MS    the same by HTTP/2
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func answer(w http.ResponseWriter, r *http.Request) {
	body := must(io.ReadAll(r.Body))
	status, err := strconv.Atoi(r.URL.Query().Get("status"))
	if err != nil {
		status = 200
	}
	if len(body) == 0 {
		body = []byte("answer to " + r.RequestURI)
	}
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(status)
	must(w.Write(body))
}

func serve(port, cert, key string) {
	listener := must(net.Listen("tcp", "127.0.0.1:"+port))
	fmt.Println("listening")
	log.Fatal(http.ServeTLS(listener, http.HandlerFunc(answer), cert, key))
}

func client(url, ca string, count, pauseMs int, http2 bool) {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(must(os.ReadFile(ca)))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: http2}
	c := &http.Client{Transport: transport}
	for i := range count {
		method, sent := "GET", ""
		if i%4 == 3 {
			method, sent = "POST", fmt.Sprintf("sent %d", i)
		}
		path := fmt.Sprintf("/%d?status=%d", i, []int{200, 404, 500}[i%3])
		request := must(http.NewRequest(method, url+path, strings.NewReader(sent)))
		response := must(c.Do(request))
		received := must(io.ReadAll(response.Body))
		response.Body.Close()
		fmt.Printf("%s\t%s\t%d\t%s\t%s\n", method, path, response.StatusCode, sent, received)
		time.Sleep(time.Duration(pauseMs) * time.Millisecond)
	}
}

func main() {
	a := os.Args[1:]
	if a[0] == "serve" {
		serve(a[1], a[2], a[3])
	}
	client(a[1], a[2], must(strconv.Atoi(a[3])), must(strconv.Atoi(a[4])), a[0] == "client2")
}
