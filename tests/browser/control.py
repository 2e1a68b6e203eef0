"""The page on a server that a test can look into.

Run as ``python -m tests.browser.control PORT``. It obeys lines on its standard input and
answers each with a line of JSON: ``hold`` takes both places in which uploads are read,
``free`` gives them back, ``state`` tells what the server holds.
"""

import gc
import json
import sys
import threading
from contextlib import ExitStack

from streamlit import runtime

from app import app
from gazeheat_core.page import server
from gazeheat_core.page.turns import READS_AT_A_TIME, reading_queue


def obey():
    places = ExitStack()
    for line in sys.stdin:
        order = line.strip()
        if order in ("hold", "free"):
            places.close()
        if order == "hold":
            for _ in range(READS_AT_A_TIME):
                places.enter_context(reading_queue().turn(lambda before: None))
        print(json.dumps(state()), flush=True)


def state():
    gc.collect()
    engine = runtime.get_instance()
    uploads = engine.uploaded_file_mgr.file_storage
    return {
        "sessions": len(engine._session_mgr.list_sessions()),
        "upload_bytes": sum(len(f.data) for files in uploads.values() for f in files.values()),
        "loans": len(server._loans),
        "in_queue": len(reading_queue()._tickets),
    }


if __name__ == "__main__":
    threading.Thread(target=obey, daemon=True).start()
    grace_s = int(sys.argv[2])
    app.run(config={"server.port": int(sys.argv[1]), "server.disconnectedSessionTTL": grace_s})
