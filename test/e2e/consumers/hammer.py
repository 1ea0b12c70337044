# Asks a URL (argv 1) as fast as sixteen threads can, until it was refused so often (argv 3) and so many
# seconds are over (argv 2), for a minute at most; prints how long it took and how often it was answered
# with which status, as JSON.

import collections, http.client, json, sys, threading, time
from urllib.parse import urlparse

url, seconds, refusals = urlparse(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
start = time.monotonic()
counts, lock = collections.Counter(), threading.Lock()


def is_over():
    taken = time.monotonic() - start
    return taken >= 60 or taken >= seconds and counts['429'] >= refusals


def ask():
    while not is_over():
        try:
            connection = http.client.HTTPConnection(url.hostname, url.port or 80, timeout=5)
            connection.request('GET', url.path)
            status = str(connection.getresponse().status)
            connection.close()
        except OSError:
            status = 'none'
        with lock:
            counts[status] += 1


threads = [threading.Thread(target=ask) for _ in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps({'seconds': time.monotonic() - start, 'counts': counts}))
