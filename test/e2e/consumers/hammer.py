# Asks a URL (argv 1) as fast as sixteen threads can, for so many seconds (argv 2); prints how often it was
# answered with which status, as JSON.

import collections, http.client, json, sys, threading, time
from urllib.parse import urlparse

url, seconds = urlparse(sys.argv[1]), float(sys.argv[2])
end = time.monotonic() + seconds
counts, lock = collections.Counter(), threading.Lock()


def ask():
    while time.monotonic() < end:
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
print(json.dumps(counts))
