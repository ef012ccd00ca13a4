"""httpx AsyncClient with a semaphore. usage: fetch_httpx.py WORKERS <urls"""
import asyncio
import sys

import httpx


async def main():
    workers = int(sys.argv[1])
    limits = httpx.Limits(max_connections=workers, max_keepalive_connections=workers)
    urls = iter(sys.stdin)
    async with httpx.AsyncClient(limits=limits) as client:
        async def worker():
            for url in urls:
                answer = await client.get(url.strip())
                sys.stdout.write(f"{answer.status_code} {len(answer.content)} {url}")
        await asyncio.gather(*[worker() for _ in range(workers)])

asyncio.run(main())
