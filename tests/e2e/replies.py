"""A table of replies as servers, middle boxes and attackers write them.

Each row is (name, bytes, what follows). replies.curl holds what curl 7.88 makes of them, a line
each; muster does the same but for the rows of OTHERWISE, where it says why.
"""
import gzip
import zlib

OK = b"HTTP/1.1 200 OK\r\n"
CL5 = b"Content-Length: 5\r\n"
TE = b"Transfer-Encoding: chunked\r\n"
HELLO = b"hello"
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"
GET5 = OK + CL5 + b"\r\n" + HELLO

ROWS = []


def row(name, reply, then="close"):
    assert not any(name == r[0] for r in ROWS), name
    ROWS.append((name, reply, then))


# Why, the kind of the refusal, and the rows it is about.
OTHERWISE = [
    ("another reader would end the body elsewhere", "protocol.malformed", [
        "length plus", "length hex", "length octal", "length float", "length exponent", "length unit", "length two numbers",
        "length list unequal", "length semicolon", "length CR", "length control", "length underscore", "length blank before colon",
        "length tab before colon", "length goes on in the next line", "two lengths unequal, lower second",
        "two lengths first huge", "two lengths second huge", "coding control behind", "coding br", "coding folded",
        "coding blank before colon", "blank line end of head", "LF CR ends"]),
    ("that is not a status line", "protocol.malformed", [
        "status line -1.1", "status line +1.1", "status line x.y", "status line blank in version", "status line tab before status"]),
    ("nobody asked to switch protocols", "protocol.malformed", ["101", "101 without fields", "101 then an answer"]),
    ("a NUL does not end a head", "protocol.malformed", ["field NUL line", "field NUL before name"]),
    ("a head cut off is not an answer", "read.closed", [
        "interim cut", "cut after 17 bytes", "cut after 20 bytes", "cut after 30 bytes", "cut after a field"]),
    ("a body cut off is not whole", "read.closed", ["chunks ends in last CR"]),
    ("a body cut off is not whole", "body.decode", [
        "gzip cut by one", "gzip cut in half", "gzip first byte only", "deflate cut by one", "deflate cut in half",
        "deflate first byte only", "br cut by one", "br cut in half", "br first byte only", "br not at all", "zstd cut by one",
        "zstd cut in half", "zstd first byte only", "zstd then its first byte", "raw deflate cut"]),
    ("what a server can make us keep is bounded", "headers.too_large", [
        "head of 80 KB", "head of 400 fields", "interim of 50", "chunks endless extension", "chunks endless trailer"]),
    ("what a server can make us compute is bounded", "body.decode", ["three codings"]),
]
# Taken where curl refuses, and with which body.
TAKEN = {
    "gzip twice over": b"hellohello",  # members follow each other (RFC 1952 section 2.2)
    "coding field folded": b"hello",  # a folded field is one field (RFC 9112 section 5.2)
    "chunks trailer without colon": b"hello",  # trailers are shown, they decide nothing
}


def status_lines():
    good = {
        "plain": b"HTTP/1.1 200 OK", "no reason": b"HTTP/1.1 200", "blank for a reason": b"HTTP/1.1 200 ",
        "reason of many words": b"HTTP/1.1 200 Not Bad At All", "doubled blank": b"HTTP/1.1  200 OK",
        "blanks behind": b"HTTP/1.1 200 OK   ", "lower case": b"http/1.1 200 OK", "mixed case": b"Http/1.1 200 OK",
        "1.0": b"HTTP/1.0 200 OK", "latin-1 reason": b"HTTP/1.1 200 tr\xe8s bien", "utf-8 reason": "HTTP/1.1 200 ☃".encode(),
        "control byte in reason": b"HTTP/1.1 200 a\x01b", "tab in reason": b"HTTP/1.1 200 a\tb", "200x": b"HTTP/1.1 200x",
        "200-OK": b"HTTP/1.1 200-OK", "2": b"HTTP/2 200", "2 with reason": b"HTTP/2 200 OK", "2.0": b"HTTP/2.0 200 OK",
        "3": b"HTTP/3 200", "3.0": b"HTTP/3.0 200 OK", "1.2": b"HTTP/1.2 200 OK", "1.9": b"HTTP/1.9 200 OK", "0.9": b"HTTP/0.9 200 OK",
        "1": b"HTTP/1 200 OK", "1.": b"HTTP/1. 200 OK", "1.10": b"HTTP/1.10 200 OK", "1.11": b"HTTP/1.11 200 OK",
        "01.1": b"HTTP/01.1 200 OK", "1.01": b"HTTP/1.01 200 OK", "-1.1": b"HTTP/-1.1 200 OK", "+1.1": b"HTTP/+1.1 200 OK",
        "x.y": b"HTTP/x.y 200 OK", "no version": b"HTTP/ 200 OK", "no slash": b"HTTP1.1 200 OK", "blank in version": b"HTTP/ 1.1 200 OK",
        "tab for blank": b"HTTP/1.1\t200\tOK", "tab before status": b"HTTP/1.1 \t200 OK", "no blank": b"HTTP/1.1200 OK",
        "word for status": b"HTTP/1.1 OK", "no status": b"HTTP/1.1", "no status, blank": b"HTTP/1.1 ",
        "two digits": b"HTTP/1.1 20 OK", "one digit": b"HTTP/1.1 2 OK", "four digits": b"HTTP/1.1 2000 OK", "negative": b"HTTP/1.1 -200 OK",
        "plus": b"HTTP/1.1 +200 OK", "hex": b"HTTP/1.1 0xc8 OK", "000": b"HTTP/1.1 000 OK", "001": b"HTTP/1.1 001 OK", "099": b"HTTP/1.1 099 OK",
        "0200": b"HTTP/1.1 0200 OK", "huge status": b"HTTP/1.1 99999999999 OK", "600": b"HTTP/1.1 600 X", "700": b"HTTP/1.1 700 X",
        "999": b"HTTP/1.1 999 X", "299": b"HTTP/1.1 299 X", "icy": b"ICY 200 OK", "rtsp": b"RTSP/1.0 200 OK", "ssh": b"SSH-2.0-OpenSSH_9.2",
        "blank before": b" HTTP/1.1 200 OK", "line before": b"\r\nHTTP/1.1 200 OK", "LF before": b"\nHTTP/1.1 200 OK",
        "junk before": b"xHTTP/1.1 200 OK", "BOM before": b"\xef\xbb\xbfHTTP/1.1 200 OK", "CR within": b"HTTP/1.1 200 O\rK",
        "NUL in reason": b"HTTP/1.1 200 O\0K", "NUL before": b"\0HTTP/1.1 200 OK", "NUL in version": b"HTTP/1\0.1 200 OK",
        "reason like a field": b"HTTP/1.1 200 Content-Length: 3", "status twice": b"HTTP/1.1 200 200", "second status": b"HTTP/1.1 200 404 Not Found",
    }
    for name, line in good.items():
        row("status line " + name, line + b"\r\n" + CL5 + b"\r\n" + HELLO)
    row("HTTP/0.9", b"hello world\n")
    row("HTTP/0.9 html", b"<html><body>hello</body></html>")
    row("HTTP/0.9 short", b"H")
    row("nothing at all", b"")
    row("only an empty line", b"\r\n")
    row("only empty lines", b"\r\n\r\n")
    row("binary", bytes(range(256)))
    row("a TLS alert", b"\x15\x03\x01\x00\x02\x02\x46")
    row("an HTTP/2 preface", b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64")
    row("a mail server", b"220 mail.example ESMTP\r\n")
    for status in (200, 201, 202, 203, 205, 206, 226, 300, 301, 302, 303, 305, 306, 307, 308, 400, 401, 402, 403, 404, 405,
                   406, 407, 408, 409, 410, 411, 412, 413, 416, 417, 418, 421, 422, 426, 429, 431, 451, 500, 501, 502, 503,
                   504, 505, 511, 599):
        row(f"status {status}", b"HTTP/1.1 %d X\r\n" % status + CL5 + b"\r\n" + HELLO, "hold")


def line_ends():
    row("LF ends", GET5.replace(b"\r\n", b"\n"))
    row("LF ends, chunked", (OK + TE + b"\r\n" + CHUNKS).replace(b"\r\n", b"\n"))
    row("mixed ends 1", b"HTTP/1.1 200 OK\n" + CL5 + b"\r\n" + HELLO)
    row("mixed ends 2", OK + b"Content-Length: 5\n\r\n" + HELLO)
    row("mixed ends 3", OK + CL5 + b"\n" + HELLO)
    row("CR ends", GET5.replace(b"\r\n", b"\r"))
    row("CR CR LF ends", GET5.replace(b"\r\n", b"\r\r\n"))
    row("CR CR LF at the end of the head", OK + CL5 + b"\r\r\n" + HELLO)
    row("CR LF CR at the end of the head", OK + CL5 + b"\r" + HELLO)
    row("LF CR ends", GET5.replace(b"\r\n", b"\n\r"))
    row("blank line end of head", OK + CL5 + b" \r\n\r\n" + HELLO)
    row("NEL for line end", OK.replace(b"\r\n", b"\x85") + CL5 + b"\r\n" + HELLO)
    row("VT for line end", OK + b"A: b\x0bC: d\r\n" + CL5 + b"\r\n" + HELLO)
    row("FF in value", OK + b"A: b\x0cC: d\r\n" + CL5 + b"\r\n" + HELLO)


def fields():
    between = {
        "none": b"", "one": b"A: b\r\n", "empty value": b"A:\r\n", "blank value": b"A: \r\n", "no blank": b"A:b\r\n", "many blanks": b"A:     b     \r\n",
        "tabs": b"A:\tb\t\r\n", "colon in value": b"A: b: c\r\n", "two colons": b"A:: b\r\n", "only a colon": b":\r\n", "empty name": b": b\r\n",
        "no colon": b"Foo\r\n", "no colon with blanks": b"Foo bar\r\n", "blank before colon": b"Foo : a\r\n", "tab before colon": b"Foo\t: a\r\n",
        "blank in name": b"Fo o: a\r\n", "leading blank": b" Foo: a\r\n", "leading tab": b"\tFoo: a\r\n", "control byte in name": b"Fo\x01o: a\r\n",
        "8-bit name": b"F\xf6\xf6: a\r\n", "8-bit value": b"Foo: \xff\xfe\r\n", "control bytes in value": b"Foo: \x01\x02\x1f\x7f\r\n",
        "utf-8 value": "Foo: ☃\r\n".encode(), "brackets in name": b"F[o]o: a\r\n", "quoted name": b'"Foo": a\r\n', "slash in name": b"F/o: a\r\n",
        "at in name": b"F@o: a\r\n", "parentheses in name": b"(Foo): a\r\n", "CR in value": b"Foo: a\rb\r\n", "CR in name": b"F\ro: a\r\n", "CR before colon": b"Foo\r: a\r\n",
        "CR alone in value": b"Foo: \r\r\n", "NUL in value": b"Foo: a\0b\r\n", "NUL in name": b"F\0o: a\r\n", "NUL line": b"\0\r\n", "NUL before name": b"\0Foo: a\r\n",
        "fold": b"Foo: a\r\n b\r\n", "fold by tab": b"Foo: a\r\n\tb\r\n", "fold twice": b"Foo: a\r\n b\r\n c\r\n", "fold of nothing": b"Foo:\r\n b\r\n",
        "fold to nothing": b"Foo: a\r\n \r\n", "fold with colon": b"Foo: a\r\n B: c\r\n", "fold of a length": b"Foo: a\r\n Content-Length: 3\r\n",
        "fold by LF": b"Foo: a\n b\r\n", "same field 3 times": b"A: 1\r\na: 2\r\nA: 3\r\n", "cookies": b"Set-Cookie: a=b\r\nSet-Cookie: c=d\r\n", "very long name": b"X" * 5000 + b": a\r\n",
        "very long value": b"X: " + b"y" * 30000 + b"\r\n", "200 fields": b"".join(b"X-%d: y\r\n" % i for i in range(200)), "a URL": b"http://a/b: c\r\n",
        "a status line": b"HTTP/1.1 404 Not Found\r\n", "a request line": b"GET / HTTP/1.1\r\n", "date junk": b"Date: yesterday\r\nExpires: -1\r\nAge: x\r\n",
        "upgrade offered": b"Upgrade: h2c\r\nConnection: Upgrade\r\n", "alt-svc": b'Alt-Svc: h3=":443"\r\n', "trailer announced": b"Trailer: X-Sum\r\n",
        "proxy connection": b"Proxy-Connection: close\r\n", "bad content type": b"Content-Type: \xff;;;=\r\n", "range junk": b"Content-Range: bytes x-y/z\r\n",
    }
    for name, middle in between.items():
        row("field " + name, OK + middle + CL5 + b"\r\n" + HELLO)
    row("field no colon last", OK + CL5 + b"Foo\r\n\r\n" + HELLO)
    row("field fold last", OK + CL5 + b"Foo: a\r\n b\r\n\r\n" + HELLO)
    row("head of 60 KB in fields", OK + b"".join(b"X-%03d: %s\r\n" % (i, b"y" * 290) for i in range(200)) + CL5 + b"\r\n" + HELLO)
    row("head of 80 KB", OK + b"".join(b"X-%03d: %s\r\n" % (i, b"y" * 390) for i in range(200)) + CL5 + b"\r\n" + HELLO)
    row("head of 400 fields", OK + b"".join(b"X-%03d: y\r\n" % i for i in range(400)) + CL5 + b"\r\n" + HELLO)
    row("head of 2 MB", OK + b"".join(b"X-%05d: %s\r\n" % (i, b"y" * 200) for i in range(10000)) + CL5 + b"\r\n" + HELLO)
    row("line of 1 MB", OK + b"X: " + b"y" * 1000000 + b"\r\n" + CL5 + b"\r\n" + HELLO)
    row("status line of 1 MB", b"HTTP/1.1 200 " + b"y" * 1000000 + b"\r\n" + CL5 + b"\r\n" + HELLO)


def lengths():
    values = {
        "5": b"5", "05": b"05", "zeros": b"0000000000000000000000005", "blanks around": b"  5  ", "tabs around": b"\t5\t", "plus": b"+5", "minus": b"-5", "minus 0": b"-0",
        "hex": b"0x5", "hex digits": b"a", "octal": b"0o5", "float": b"5.0", "exponent": b"5e0", "unit": b"5 bytes", "two numbers": b"5 5", "list": b"5, 5", "list without blank": b"5,5",
        "list unequal": b"5, 6", "list with blank item": b"5,", "list with leading comma": b",5", "semicolon": b"5;", "quoted": b'"5"', "empty": b"", "blank": b" ", "word": b"five",
        "2^31": b"2147483648", "2^32+5": b"4294967301", "2^53": b"9007199254740992", "2^63-1": b"9223372036854775807", "2^63": b"9223372036854775808", "2^64+5": b"18446744073709551621",
        "10^30": b"1000000000000000000000000000000", "NUL": b"5\x009", "CR": b"5\r9", "control": b"5\x01", "8-bit": b"\xb5", "full width": "５".encode(), "underscore": b"1_0", "not enough": b"6", "0": b"0",
        "3": b"3",
    }
    for name, value in values.items():
        row("length " + name, OK + b"Content-Length: " + value + b"\r\n\r\n" + HELLO)
    pairs = {"equal": (b"5", b"5"), "unequal": (b"5", b"6"), "unequal, lower second": (b"6", b"5"), "second junk": (b"5", b"x"), "first junk": (b"x", b"5"),
             "same value": (b"5", b"05"), "first huge": (b"9" * 30, b"5"), "second huge": (b"5", b"9" * 30)}
    for name, (a, b) in pairs.items():
        row("two lengths " + name, OK + b"Content-Length: " + a + b"\r\nContent-Length: " + b + b"\r\n\r\n" + HELLO)
    row("three lengths", OK + CL5 * 3 + b"\r\n" + HELLO)
    row("length blank before colon", OK + b"Content-Length : 5\r\n\r\n" + HELLO)
    row("length tab before colon", OK + b"Content-Length\t: 5\r\n\r\n" + HELLO)
    row("length folded", OK + b"Content-Length:\r\n 5\r\n\r\n" + HELLO)
    row("length goes on in the next line", OK + b"Content-Length: 5\r\n 5\r\n\r\n" + HELLO)
    row("length upper case", OK + b"CONTENT-LENGTH: 5\r\n\r\n" + HELLO)
    row("length by another name", OK + b"Content_Length: 3\r\n" + CL5 + b"\r\n" + HELLO)
    row("length leading blank", OK + b"A: b\r\n Content-Length: 3\r\n" + CL5 + b"\r\n" + HELLO)
    row("length of 1.0", b"HTTP/1.0 200 OK\r\n" + CL5 + b"\r\n" + HELLO)
    row("length, more bytes", OK + CL5 + b"\r\nhelloEXTRA")
    row("length, another response", GET5 + OK + b"Content-Length: 8\r\n\r\nPOISONED")
    row("length, one byte less", OK + CL5 + b"\r\nhell")
    row("length, no byte", OK + CL5 + b"\r\n")
    row("length, reset", OK + CL5 + b"\r\nhel", "reset")
    row("length 0, bytes", OK + b"Content-Length: 0\r\n\r\nhello")
    row("length held", GET5, "hold")
    row("length 0 held", OK + b"Content-Length: 0\r\n\r\n", "hold")


def closing():
    for name, connection in {"absent": b"", "close": b"Connection: close\r\n", "keep-alive": b"Connection: keep-alive\r\n", "list": b"Connection: close, TE\r\n",
                             "odd": b"Connection: \xff\r\n", "twice": b"Connection: keep-alive\r\nConnection: close\r\n", "names a field": b"Connection: Content-Length\r\n"}.items():
        row("until close, connection " + name, OK + connection + b"\r\n" + HELLO)
        row("until close 1.0, connection " + name, b"HTTP/1.0 200 OK\r\n" + connection + b"\r\n" + HELLO)
        row("length, connection " + name, OK + connection + CL5 + b"\r\n" + HELLO)
    row("until close, empty", OK + b"\r\n")
    row("until close, 300 KB", OK + b"\r\n" + b"x" * 300000)
    row("until close, reset", OK + b"\r\n" + HELLO, "reset")
    row("until close, looks chunked", OK + b"\r\n" + CHUNKS)
    row("until close, looks like a response", OK + b"\r\n" + GET5)


def coded_lists():
    values = {
        "upper case": b"CHUNKED", "blanks": b"  chunked  ", "tab": b"\tchunked", "twice in a list": b"chunked, chunked", "identity first": b"identity, chunked", "identity last": b"chunked, identity",
        "x-chunked": b"x-chunked", "xchunked": b"xchunked", "chunkedx": b"chunkedx", "quoted": b'"chunked"', "parameter": b"chunked;q=1", "unknown first": b"foo, chunked", "unknown last": b"chunked, foo",
        "unknown": b"foo", "empty": b"", "commas": b",chunked,", "only a comma": b",", "identity": b"identity", "control": b"\x0bchunked", "control behind": b"chunked\x0b", "CR": b"\rchunked", "NUL": b"chunked\0",
        "blank in it": b"chun ked", "8-bit": b"chunked\xff", "two blanks": b"chunked  chunked", "br": b"br, chunked", "gzip of chunks": b"chunked, gzip",
    }
    for name, value in values.items():
        row("coding " + name, OK + b"Transfer-Encoding: " + value + b"\r\n\r\n" + CHUNKS)
    row("coding in two fields", OK + TE + TE + b"\r\n" + CHUNKS)
    row("coding twice, identity first", OK + b"Transfer-Encoding: identity\r\n" + TE + b"\r\n" + CHUNKS)
    row("coding folded", OK + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + CHUNKS)
    row("coding blank before colon", OK + b"Transfer-Encoding : chunked\r\n\r\n" + CHUNKS)
    row("coding by another name", OK + b"Transfer_Encoding: chunked\r\n\r\n" + CHUNKS)
    row("coding in 1.0", b"HTTP/1.0 200 OK\r\n" + TE + b"\r\n" + CHUNKS)
    row("coding then length", OK + TE + b"Content-Length: 3\r\n\r\n" + CHUNKS)
    row("length then coding", OK + b"Content-Length: 3\r\n" + TE + b"\r\n" + CHUNKS)
    row("length junk then coding", OK + b"Content-Length: x\r\n" + TE + b"\r\n" + CHUNKS)
    row("length negative then coding", OK + b"Content-Length: -1\r\n" + TE + b"\r\n" + CHUNKS)
    row("identity with length", OK + b"Transfer-Encoding: identity\r\n" + CL5 + b"\r\n" + HELLO)
    packed = gzip.compress(HELLO, mtime=0)
    chunk = b"%x\r\n" % len(packed) + packed + b"\r\n0\r\n\r\n"
    row("coding gzip, chunked", OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + chunk)
    row("coding gzip", OK + b"Transfer-Encoding: gzip\r\n\r\n" + packed)
    row("coding gzip with length", OK + b"Transfer-Encoding: gzip\r\nContent-Length: 3\r\n\r\n" + packed)
    row("coding gzip broken", OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKS)
    row("coding deflate", OK + b"Transfer-Encoding: deflate\r\n\r\n" + zlib.compress(HELLO))
    twice = gzip.compress(packed, mtime=0)
    row("coding and content gzip", OK + b"Transfer-Encoding: gzip, chunked\r\nContent-Encoding: gzip\r\n\r\n%x\r\n" % len(twice) + twice + b"\r\n0\r\n\r\n")


def chunks():
    sizes = {
        "5": b"5\r\n", "05": b"05\r\n", "zeros": b"0000000000000005\r\n", "17 digits": b"00000000000000005\r\n", "16 f": b"ffffffffffffffff\r\n", "2^63": b"8000000000000000\r\n", "2^63-1": b"7fffffffffffffff\r\n",
        "17 f": b"fffffffffffffffff\r\n", "2^32+5": b"100000005\r\n", "extension": b"5;a=b\r\n", "extension quoted": b'5;a="b;c"\r\n', "extension bare": b"5;\r\n", "extension blank": b"5 ; a = b\r\n",
        "extension CR": b"5;a\rb\r\n", "extension NUL": b"5;a\0b\r\n", "extension 8-bit": b"5;\xff\r\n", "extension long": b"5;" + b"a" * 8000 + b"\r\n", "blank behind": b"5 \r\n", "tab behind": b"5\t\r\n",
        "blanks behind": b"5        \r\n", "blank before": b" 5\r\n", "tab before": b"\t5\r\n", "plus": b"+5\r\n", "minus": b"-5\r\n", "hex": b"0x5\r\n", "hex X": b"0X5\r\n", "junk behind": b"5xyz\r\n",
        "comma": b"5,5\r\n", "two numbers": b"5 5\r\n", "underscore": b"5_\r\n", "h": b"5h\r\n", "LF": b"5\n", "CR": b"5\r", "CR CR LF": b"5\r\r\n", "empty": b"\r\n5\r\n", "word": b"five\r\n", "quoted": b'"5"\r\n',
        "minus zero": b"-0\r\n", "empty line": b"\r\n", "NUL": b"\x005\r\n", "NUL behind": b"5\0\r\n", "8-bit": b"\xb5\r\n", "colon": b"5:\r\n", "dot": b"5.0\r\n", "semicolon first": b";5\r\n", "equals": b"5=a\r\n",
    }
    for name, size in sizes.items():
        row("chunk size " + name, OK + TE + b"\r\n" + size + b"hello\r\n0\r\n\r\n")
    bodies = {
        "one": b"5\r\nhello\r\n0\r\n\r\n", "two": b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "five": b"1\r\nh\r\n1\r\ne\r\n1\r\nl\r\n1\r\nl\r\n1\r\no\r\n0\r\n\r\n", "none": b"0\r\n\r\n", "upper case": b"A\r\n0123456789\r\n0\r\n\r\n",
        "lower case": b"a\r\n0123456789\r\n0\r\n\r\n", "last of many zeros": b"5\r\nhello\r\n00000\r\n\r\n", "last with extension": b"5\r\nhello\r\n0;a=b\r\n\r\n", "last with blank": b"5\r\nhello\r\n0 \r\n\r\n",
        "last LF": b"5\r\nhello\r\n0\n\n", "data LF": b"5\r\nhello\n0\r\n\r\n", "no end of data": b"5\r\nhello0\r\n\r\n", "two ends of data": b"5\r\nhello\r\n\r\n0\r\n\r\n", "CR for end of data": b"5\r\nhello\r0\r\n\r\n",
        "size too small": b"4\r\nhello\r\n0\r\n\r\n", "size too large": b"6\r\nhello\r\n0\r\n\r\n", "junk after data": b"5\r\nhelloxx\r\n0\r\n\r\n", "data that looks like an end": b"7\r\n0\r\n\r\nhi\r\n0\r\n\r\n",
        "trailer": b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", "trailers": b"5\r\nhello\r\n0\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n", "trailer cookie": b"5\r\nhello\r\n0\r\nSet-Cookie: a=b\r\n\r\n", "trailer length": b"5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n",
        "trailer coding": b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", "trailer without colon": b"5\r\nhello\r\n0\r\nfoo\r\n\r\n", "trailer folded": b"5\r\nhello\r\n0\r\nA: b\r\n c\r\n\r\n", "trailer by LF": b"5\r\nhello\r\n0\r\nA: b\n\n",
        "trailer NUL": b"5\r\nhello\r\n0\r\nA: \0\r\n\r\n", "trailer CR": b"5\r\nhello\r\n0\r\nA: b\rc\r\n\r\n", "surplus": b"5\r\nhello\r\n0\r\n\r\nEXTRA", "surplus response": b"5\r\nhello\r\n0\r\n\r\n" + GET5, "surplus chunks": b"5\r\nhello\r\n0\r\n\r\n5\r\nworld\r\n0\r\n\r\n",
        "ends in size": b"5", "ends after size": b"5\r\n", "ends in data": b"5\r\nhel", "ends after data": b"5\r\nhello", "ends after data line": b"5\r\nhello\r\n", "ends in last": b"5\r\nhello\r\n0", "ends after last": b"5\r\nhello\r\n0\r\n",
        "ends in trailer": b"5\r\nhello\r\n0\r\nA: b", "ends after trailer": b"5\r\nhello\r\n0\r\nA: b\r\n", "ends in last CR": b"5\r\nhello\r\n0\r\n\r", "nothing": b"", "no chunks at all": b"hello world\n", "html": b"<html></html>",
        "100 KB": b"186a0\r\n" + b"x" * 100000 + b"\r\n0\r\n\r\n", "1000 of one byte": b"1\r\nx\r\n" * 1000 + b"0\r\n\r\n",
    }
    for name, body in bodies.items():
        row("chunks " + name, OK + TE + b"\r\n" + body)
    for name in ("one", "two", "none", "trailer", "last with extension", "1000 of one byte"):
        row("chunks held " + name, OK + TE + b"\r\n" + bodies[name], "hold")
    row("chunks reset", OK + TE + b"\r\n5\r\nhel", "reset")
    row("chunks with keep-alive", OK + TE + b"Connection: keep-alive\r\n\r\n" + CHUNKS, "hold")
    row("chunks endless extension", OK + TE + b"\r\n5;" + b"a" * 200000 + b"\r\nhello\r\n0\r\n\r\n")
    row("chunks endless trailer", OK + TE + b"\r\n5\r\nhello\r\n0\r\n" + b"A: b\r\n" * 30000 + b"\r\n")


def interims():
    for status in (100, 102, 103, 110, 199):
        row(f"interim {status}", b"HTTP/1.1 %d X\r\n\r\n" % status + GET5, "hold")
        row(f"interim {status} with fields", b"HTTP/1.1 %d X\r\nLink: x\r\nContent-Length: 3\r\n\r\n" % status + GET5, "hold")
        row(f"interim {status} alone", b"HTTP/1.1 %d X\r\n\r\n" % status)
    row("interim twice", b"HTTP/1.1 100 C\r\n\r\n" * 2 + GET5, "hold")
    row("interim mixed", b"HTTP/1.1 103 E\r\nLink: x\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 102 P\r\n\r\n" + GET5, "hold")
    row("interim of 10", b"HTTP/1.1 100 C\r\n\r\n" * 10 + GET5, "hold")
    row("interim of 50", b"HTTP/1.1 100 C\r\n\r\n" * 50 + GET5, "hold")
    row("interim by LF", b"HTTP/1.1 100 C\n\n" + GET5, "hold")
    row("interim of 1.0", b"HTTP/1.0 100 C\r\n\r\n" + GET5, "hold")
    row("interim chunked", b"HTTP/1.1 100 C\r\n" + TE + b"\r\n" + GET5, "hold")
    row("interim then 204", b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 204 N\r\n\r\n", "hold")
    row("interim then chunks", b"HTTP/1.1 103 C\r\n\r\n" + OK + TE + b"\r\n" + CHUNKS, "hold")
    row("interim then until close", b"HTTP/1.1 103 C\r\n\r\n" + OK + b"\r\n" + HELLO)
    row("interim then junk", b"HTTP/1.1 100 C\r\n\r\njunk")
    row("interim cut", b"HTTP/1.1 100 C\r\nFoo")
    row("101", b"HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nhello")
    row("101 without fields", b"HTTP/1.1 101 S\r\n\r\nhello")
    row("101 then an answer", b"HTTP/1.1 101 S\r\n\r\n" + GET5)


def bodiless():
    for status in (204, 304):
        line = b"HTTP/1.1 %d N\r\n" % status
        row(f"{status}", line + b"\r\n", "hold")
        row(f"{status} with length", line + CL5 + b"\r\n", "hold")
        row(f"{status} with length 0", line + b"Content-Length: 0\r\n\r\n", "hold")
        row(f"{status} chunked", line + TE + b"\r\n", "hold")
        row(f"{status} with body", line + CL5 + b"\r\nhello")
        row(f"{status} with chunks", line + TE + b"\r\n" + CHUNKS)
        row(f"{status} with a response", line + b"\r\n" + GET5)
        row(f"{status} gzip", line + b"Content-Encoding: gzip\r\n\r\n", "hold")
        row(f"{status} unknown coding", line + b"Content-Encoding: foo\r\n\r\n", "hold")
        row(f"{status} of 1.0", b"HTTP/1.0 %d N\r\n\r\n" % status)
        row(f"{status} length junk", line + b"Content-Length: x\r\n\r\n", "hold")
    row("205 with body", b"HTTP/1.1 205 R\r\n" + CL5 + b"\r\nhello")
    row("205 without length", b"HTTP/1.1 205 R\r\n\r\n")


def cut_heads():
    for n in (1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 30, 36, 37):
        row(f"cut after {n} bytes", GET5[:n])
        row(f"reset after {n} bytes", GET5[:n], "reset")
    row("cut after a field", OK + b"Foo: bar\r\n")
    row("cut after fields", OK + b"Foo: bar\r\n" + CL5)
    row("cut before the last LF", OK + CL5 + b"\r")


def zstd_frame(data):
    """One frame of one raw block (RFC 8878), of at most 255 bytes."""
    size = len(data)
    return b"\x28\xb5\x2f\xfd\x20" + bytes([size]) + (size << 3 | 1).to_bytes(3, "little") + data


BROTLI_HELLO = b"\x0b\x02\x80hello\x03"


def codings():
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    raw_hello = raw.compress(HELLO) + raw.flush()
    packed = {"gzip": gzip.compress(HELLO, mtime=0), "deflate": zlib.compress(HELLO), "br": BROTLI_HELLO, "zstd": zstd_frame(HELLO)}

    def coded(name, coding, body, framing="length"):
        head = OK + b"Content-Encoding: " + coding + b"\r\n"
        if framing == "length":
            row(name, head + b"Content-Length: %d\r\n\r\n" % len(body) + body, "hold")
        elif framing == "chunked":
            row(name, head + TE + b"\r\n%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n", "hold")
        else:
            row(name, head + b"\r\n" + body)
    for name, body in packed.items():
        for framing in ("length", "chunked", "close"):
            coded(f"{name} by {framing}", name.encode(), body, framing)
        coded(f"{name} upper case", name.upper().encode(), body)
        coded(f"{name} with blanks", b"  " + name.encode() + b"  ", body)
        coded(f"{name} cut by one", name.encode(), body[:-1])
        coded(f"{name} cut in half", name.encode(), body[:len(body) // 2])
        coded(f"{name} first byte only", name.encode(), body[:1])
        coded(f"{name} empty", name.encode(), b"")
        coded(f"{name} not at all", name.encode(), HELLO)
        coded(f"{name} flipped", name.encode(), body[:2] + bytes([body[2] ^ 0xff]) + body[3:])
        coded(f"{name} then zeros", name.encode(), body + bytes(20))
        coded(f"{name} then junk", name.encode(), body + b"junk junk junk")
        coded(f"{name} twice over", name.encode(), body + body)
        coded(f"{name} then its first byte", name.encode(), body + body[:1])
        coded(f"{name} named in a list", b"identity, " + name.encode(), body)
        coded(f"{name} and a comma", name.encode() + b",", body)
        coded(f"{name} with a parameter", name.encode() + b";q=1", body)
        row(f"{name} early end", OK + b"Content-Encoding: " + name.encode() + b"\r\nContent-Length: 500\r\n\r\n" + body)
    coded("x-gzip", b"x-gzip", packed["gzip"])
    coded("raw deflate", b"deflate", raw_hello)
    coded("raw deflate cut", b"deflate", raw_hello[:-1])
    coded("raw deflate then junk", b"deflate", raw_hello + b"junk")
    coded("gzip called deflate", b"deflate", packed["gzip"])
    coded("deflate called gzip", b"gzip", packed["deflate"])
    coded("gzip checksum wrong", b"gzip", packed["gzip"][:-8] + bytes(4) + packed["gzip"][-4:])
    coded("gzip length wrong", b"gzip", packed["gzip"][:-4] + bytes(4))
    coded("deflate checksum wrong", b"deflate", packed["deflate"][:-4] + bytes(4))
    coded("gzip reserved flags", b"gzip", packed["gzip"][:3] + b"\xe0" + packed["gzip"][4:])
    coded("gzip of nothing", b"gzip", gzip.compress(b"", mtime=0))
    coded("gzip of 300 KB", b"gzip", gzip.compress(b"x" * 300000, mtime=0))
    coded("deflate of 300 KB", b"deflate", zlib.compress(b"x" * 300000))
    member = gzip.compress(HELLO, mtime=0)
    with_name = b"\x1f\x8b\x08\x08\0\0\0\0\0\x03name\0" + member[10:]
    with_extra = b"\x1f\x8b\x08\x04\0\0\0\0\0\x03\x04\0abcd" + member[10:]
    coded("gzip with a name", b"gzip", with_name)
    coded("gzip with extra", b"gzip", with_extra)
    coded("gzip then half a member", b"gzip", member + member[:8])
    coded("gzip then a broken member", b"gzip", member + b"\x1f\x8bxxxxxxxxxxxxxxx")
    for name in ("identity", "none", "foo", "compress", "x-compress", "", " ", ",", "gzip2", "utf-8", "aws-chunked", "chunked"):
        coded(f"coding called {name!r}", name.encode(), HELLO)
    coded("gzip of gzip", b"gzip, gzip", gzip.compress(member, mtime=0))
    coded("gzip of deflate", b"deflate, gzip", gzip.compress(zlib.compress(HELLO), mtime=0))
    coded("deflate of br", b"br, deflate", zlib.compress(BROTLI_HELLO))
    coded("gzip of zstd", b"zstd, gzip", gzip.compress(zstd_frame(HELLO), mtime=0))
    coded("three codings", b"gzip, gzip, gzip", gzip.compress(gzip.compress(member, mtime=0), mtime=0))
    coded("six codings", b"gzip, gzip, gzip, gzip, gzip, gzip", HELLO)
    coded("known then unknown", b"gzip, foo", member)
    coded("unknown then known", b"foo, gzip", member)
    row("codings in two fields", OK + b"Content-Encoding: deflate\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(zlib.compress(HELLO), mtime=0))
    row("coding field folded", OK + b"Content-Encoding:\r\n gzip\r\n\r\n" + member)
    row("gzip in pieces", OK + b"Content-Encoding: gzip\r\n" + TE + b"\r\n" + b"".join(b"1\r\n%c\r\n" % c for c in member) + b"0\r\n\r\n")
    row("gzip chunked and cut", OK + b"Content-Encoding: gzip\r\n" + TE + b"\r\n%x\r\n" % len(member) + member + b"\r\n")
    row("404 gzip", b"HTTP/1.1 404 N\r\nContent-Encoding: gzip\r\n\r\n" + member)


for family in (status_lines, line_ends, fields, lengths, closing, coded_lists, chunks, interims, bodiless, cut_heads, codings):
    family()
