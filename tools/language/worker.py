"""llmsql's worker as a Python object: its protocol is src/query/protocol.rs."""
import json
import os
import shutil
import struct
import subprocess
import tempfile


class Worker:
    def __init__(self, program, path):
        self.folder = tempfile.mkdtemp(prefix='llmsql-fit-')
        env = {k: v for k, v in os.environ.items() if not k.startswith('LLMSQL_')}
        self.process = subprocess.Popen([program, 'query-worker'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
        source = {'name': 'data', 'named': False, 'place': {'Sqlite': path}}
        limits = {'memory': 1 << 30, 'threads': 1, 'spill': 1 << 30}
        self.send({'Open': {'sources': [source], 'limits': limits, 'scratch': self.folder, 'output': None, 'zone': 'UTC',
                            'tuning': {'profile': False, 'unordered': False}, 'archives': None,
                            'extensions': os.path.join(self.folder, 'extensions')}})
        self.answer()

    def send(self, message):
        body = json.dumps(message).encode()
        self.process.stdin.write(struct.pack('<I', len(body)) + body)
        self.process.stdin.flush()

    def receive(self):
        head = self.process.stdout.read(4)
        if len(head) < 4:
            raise EOFError
        message = json.loads(self.process.stdout.read(struct.unpack('<I', head)[0]))
        return (message, None) if isinstance(message, str) else next(iter(message.items()))

    def answer(self):
        while True:
            name, value = self.receive()
            if name not in ('Progress', 'Note', 'Started'):
                return name, value

    def study(self):
        self.send('Study')
        return self.answer()[1]

    def rows(self, sql):
        """The rows of a query; None where it fails."""
        self.send({'Run': {'sql': sql, 'rows': 20000, 'bytes': 64 << 20, 'millis': 5000, 'whole_tables': True,
                           'profile': False, 'parquet': None}})
        found = []
        while True:
            name, value = self.receive()
            if name == 'Rows':
                found += value
            elif name == 'Done':
                return found
            elif name == 'Failed':
                return None

    def close(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
