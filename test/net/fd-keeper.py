# Plays systemd's part in sd_notify(3) and sd_listen_fds(3), from their manual pages and nothing of ours:
# takes open files over a NOTIFY_SOCKET, keeps them, and hands them to the next process from 3 on.
#
#   fd-keeper.py serve NOTIFY CONTROL        keeps; answers on CONTROL
#   fd-keeper.py exec CONTROL PROGRAM ...    becomes PROGRAM, with everything that is kept
#   fd-keeper.py ask CONTROL list            what is kept, by name, and the states that were told
#   fd-keeper.py ask CONTROL garbage NAME    keeps a file that is no socket
#   fd-keeper.py listen NOTIFY NAME          has a listener kept that is born here, on 127.0.0.1

import json
import os
import select
import socket
import sys


def serve(notify, control):
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind('\0' + notify[1:] if notify.startswith('@') else notify)
    asked = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    asked.bind(control)
    asked.listen()
    poll = select.poll()
    poll.register(told, select.POLLIN)
    poll.register(asked, select.POLLIN)
    store = []
    states = []

    def keep(fd, name):
        def same(other):
            return os.path.samestat(os.fstat(fd), os.fstat(other))
        if any(same(other) for other, _ in store):
            os.close(fd)
            return
        store.append((fd, name))
        # As systemd: without asking for anything it is still told of an error and of a hang-up.
        poll.register(fd, 0)

    def remove(which):
        for fd, name in [each for each in store if which(*each)]:
            poll.unregister(fd)
            os.close(fd)
            store.remove((fd, name))

    def hear():
        data, fds, _, _ = socket.recv_fds(told, 4096, 253)
        said = dict(line.split('=', 1) for line in data.decode().split('\n'))
        name = said.get('FDNAME', 'stored')
        if said.get('FDSTORE') == '1':
            for fd in fds:
                keep(fd, name)
            return
        for fd in fds:
            os.close(fd)
        if said.get('FDSTOREREMOVE') == '1':
            remove(lambda _, each: each == name)
        states.extend(key for key in said if not key.startswith('FD'))

    def answer():
        peer, _ = asked.accept()
        with peer:
            verb, *rest = peer.recv(4096).decode().split(' ')
            if verb == 'garbage':
                keep(os.memfd_create('garbage'), rest[0])
            names = [name for _, name in store]
            answer = json.dumps({'names': names, 'states': states}).encode()
            socket.send_fds(peer, [answer], [fd for fd, _ in store] if verb == 'take' else [])

    print('up', flush=True)
    while True:
        for fd, event in poll.poll():
            if fd == told.fileno():
                hear()
            elif fd == asked.fileno():
                answer()
            elif event & (select.POLLHUP | select.POLLERR):
                remove(lambda each, _: each == fd)


def ask(control, words):
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    peer.connect(control)
    peer.sendall(' '.join(words).encode())
    data, fds, _, _ = socket.recv_fds(peer, 65536, 253)
    peer.close()
    return data.decode(), fds


def listen(notify, name):
    listener = socket.create_server(('127.0.0.1', 0))
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    peer.connect(notify)
    socket.send_fds(peer, [f'FDSTORE=1\nFDNAME={name}'.encode()], [listener.fileno()])


def become(control, program):
    data, fds = ask(control, ['take'])
    names = json.loads(data)['names']
    if fds:
        # First out of the way of where they are to be.
        high = [os.dup2(fd, 500 + i) for i, fd in enumerate(fds)]
        for i, fd in enumerate(high):
            os.dup2(fd, 3 + i, inheritable=True)
        os.closerange(3 + len(fds), 1000)
        os.environ['LISTEN_PID'] = str(os.getpid())
        os.environ['LISTEN_FDS'] = str(len(fds))
        os.environ['LISTEN_FDNAMES'] = ':'.join(names)
    os.execvp(program[0], program)


verb, *rest = sys.argv[1:]
if verb == 'serve':
    serve(*rest)
elif verb == 'listen':
    listen(*rest)
elif verb == 'exec':
    become(rest[0], rest[1:])
else:
    print(ask(rest[0], rest[1:])[0])
