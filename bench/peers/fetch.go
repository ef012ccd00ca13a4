// fetch: a net/http worker pool, the way a Go programmer would write it.
// usage: fetch WORKERS <urls   prints "STATUS SIZE URL" per result
package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
)

func main() {
	workers, _ := strconv.Atoi(os.Args[1])
	client := &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: workers, MaxConnsPerHost: workers,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: os.Getenv("INSECURE") != ""},
	}}
	urls := make(chan string, 1024)
	lines := make(chan string, 1024)
	var pool sync.WaitGroup
	for i := 0; i < workers; i++ {
		pool.Add(1)
		go func() {
			defer pool.Done()
			for u := range urls {
				answer, err := client.Get(u)
				if err != nil {
					lines <- "0 0 " + u + " " + err.Error()
					continue
				}
				n, _ := io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
				lines <- strconv.Itoa(answer.StatusCode) + " " + strconv.FormatInt(n, 10) + " " + u
			}
		}()
	}
	go func() {
		in := bufio.NewScanner(os.Stdin)
		for in.Scan() {
			urls <- in.Text()
		}
		close(urls)
		pool.Wait()
		close(lines)
	}()
	out := bufio.NewWriterSize(os.Stdout, 1<<16)
	for line := range lines {
		fmt.Fprintln(out, line)
	}
	out.Flush()
}
