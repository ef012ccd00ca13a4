"""aiohttp ClientSession with a bounded connector. usage: fetch_aiohttp.py WORKERS <urls"""
import asyncio
import sys

import aiohttp


async def main():
    workers = int(sys.argv[1])
    urls = iter(sys.stdin)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=workers)) as session:
        async def worker():
            for url in urls:
                async with session.get(url.strip()) as answer:
                    body = await answer.read()
                    sys.stdout.write(f"{answer.status} {len(body)} {url}")
        await asyncio.gather(*[worker() for _ in range(workers)])

asyncio.run(main())
