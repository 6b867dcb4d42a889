"""The files of deploy/, held against what they deploy. There is no engine here to run the containers."""

import ast
import contextlib
import http.client
import http.server
import json
import os
import re
import shlex
import shutil
import socket
import string
import subprocess
import sys
import threading
import time

import pytest
import yaml

from readerai_site.durations import Durations
from tests.processes import PATIENCE, ROOT, free_port, site

sys.path.insert(0, str(ROOT / "scripts"))

import run_scaled

DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service.get("image") == "readerai-classroom"}
ROWS = set(re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE))
DOCKERFILE = (DEPLOY / "Dockerfile").read_text().replace("\\\n", "")
NGINX = run_scaled.programs()["nginx"]
UNITS = sorted((DEPLOY / "systemd").glob("*@.service"))  # those that go on


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} (.+)$", DOCKERFILE, re.MULTILINE)


# ---------------------------------------------------------------- compose.yaml


def test_it_runs_two_of_each_and_migrates_once_before():
    commands = {name: " ".join(service.get("command", ["serve"])) for name, service in OURS.items()}
    assert {name for name, command in commands.items() if command == "serve"} == {"web-1", "web-2"}
    assert {name for name, command in commands.items() if "runworker tutor" in command} == {"tutor-1", "tutor-2"}
    assert "migrate" in commands["migrate"] and OURS["migrate"]["restart"] == "no"
    for name, service in OURS.items():
        if name != "migrate":
            assert service["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert {"database", "redis", "proxy"} == set(SERVICES) - set(OURS)


def test_what_is_waited_for_says_whether_it_is_well():
    for service in SERVICES.values():
        for name, wanted in service.get("depends_on", {}).items():
            if wanted["condition"] == "service_healthy":
                assert SERVICES[name].get("healthcheck") or (name in OURS and "HEALTHCHECK" in DOCKERFILE), name


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_one_of_ours(name):
    assert set(OURS[name]["environment"]) <= ROWS
    assert set(re.findall(r"^([A-Z_]+)=", (DEPLOY / "example.env").read_text(), re.MULTILINE)) - ROWS <= {
        "SERVER_NAME", "DATABASE_PASSWORD"}


def test_settings_take_what_compose_gives(tmp_path):
    """The environment of a web process, filled in, as a fresh process reads it: nothing to complain of."""
    filled = {"DATABASE_PASSWORD": "p", "SECRET_KEY": "".join(map(chr, range(48, 100))),
              "PUBLIC_ORIGINS": "https://read.school.example"}
    environment = {
        name: re.sub(r"\$\{([A-Z_]+)(?::[-?]([^}]*))?\}", lambda found: filled.get(found[1], found[2] or ""), value)
        for name, value in OURS["web-1"]["environment"].items()}
    clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    checked = subprocess.run([sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"], cwd=ROOT,
                             env={**clean, **environment, "DATA_DIR": str(tmp_path)}, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


def test_what_must_be_said_stands_in_the_example():
    asked = set(re.findall(r"\$\{([A-Z_]+):\?\}", (DEPLOY / "compose.yaml").read_text()))
    said = set(re.findall(r"^([A-Z_]+)=", (DEPLOY / "example.env").read_text(), re.MULTILINE))
    assert asked <= said


def test_all_of_them_are_given_the_time_that_a_drain_takes():
    for service in OURS.values():
        assert seconds(service["stop_grace_period"]) > Durations().drain
    for unit in UNITS:
        assert float(re.search(r"^TimeoutStopSec=(\d+)$", unit.read_text(), re.MULTILINE)[1]) > Durations().drain


# ---------------------------------------------------------------- the image


def test_the_image_takes_all_of_the_site_and_nothing_else():
    copied = {line.split()[0] for line in instructions("COPY") if not line.startswith("--from")}
    assert all((ROOT / name).exists() for name in copied)
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert packages | {"manage.py", "requirements.lock", "templates", "static"} == copied
    allowed = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")}
    assert allowed == copied


def test_the_image_runs_as_nobody_in_particular_and_gets_the_signals():
    assert instructions("USER")[-1] not in ("root", "0")
    assert json.loads(instructions("CMD")[-1])[:2] == ["python", "manage.py"]  # no shell in between
    variables = set(re.findall(r"([A-Z_]+)=", " ".join(instructions("ENV"))))
    assert variables - ROWS == {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}


async def test_its_health_check_tells_the_living_from_the_dead(school, model, tmp_path):
    check = json.loads(re.search(r"HEALTHCHECK .*? CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)[1])

    def status(**environment):
        return subprocess.run([sys.executable, *check[1:]], capture_output=True,
                              env={"PATH": os.environ["PATH"], "PORT": "1", **environment}).returncode

    async with site(model, tmp_path, TUTOR_EMBEDDED="1") as processes:
        web = await processes.serve()
        assert status(PORT=str(web.port)) == 0
        assert status(METRICS_PORT=str(web.port)) == 0  # a worker's
    assert status(PORT=str(free_port())) != 0


# ---------------------------------------------------------------- nginx


def site_config(tmp_path, **filled):
    """Return the template as the image fills it in, where its listening takes no rights and no certificate."""
    values = {**SERVICES["proxy"]["environment"], "LISTEN": "listen 127.0.0.1:8443;", "SERVER_NAME": "read.school.example",
              "ACCESS_LOG": f"{tmp_path}/access readerai", "WEB_SERVERS": "server 127.0.0.1:8001; server 127.0.0.1:8002;",
              **filled}
    return string.Template((DEPLOY / "nginx" / "site.conf.template").read_text()).safe_substitute(values)


def test_the_template_is_filled_in_by_what_compose_says():
    wanted = set(re.findall(r"\$\{([A-Z_]+)\}", (DEPLOY / "nginx" / "site.conf.template").read_text()))
    assert set(SERVICES["proxy"]["environment"]) == wanted
    webs = {name for name in OURS if name.startswith("web-")}
    assert set(re.findall(r"server (\S+):8000;", SERVICES["proxy"]["environment"]["WEB_SERVERS"])) == webs


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed here")
@pytest.mark.parametrize("tls", [False, True], ids=["http", "tls"])
def test_nginx_takes_the_configuration(tmp_path, tls):
    """The files of the image themselves, with only the folders moved."""
    listen = "listen 127.0.0.1:8080;"
    if tls:
        if not shutil.which("openssl"):
            pytest.skip("openssl is not installed here")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=read.school.example",
                        "-keyout", tmp_path / "privkey.pem", "-out", tmp_path / "fullchain.pem"],
                       check=True, capture_output=True)
        said = SERVICES["proxy"]["environment"]["LISTEN"].removeprefix("${LISTEN:-").removesuffix("}")
        listen = said.replace("/etc/nginx/tls", str(tmp_path)).replace("listen ", "listen 127.0.0.1:")
    (tmp_path / "site.conf").write_text(site_config(tmp_path, LISTEN=listen))
    (tmp_path / "mime.types").write_text("types { text/html html; }\n")
    main = (DEPLOY / "nginx" / "nginx.conf").read_text()
    main = (main.replace("/etc/nginx/conf.d/*.conf", f"{tmp_path}/site.conf").replace("/etc/nginx", str(tmp_path))
            .replace("/tmp/nginx.pid", f"{tmp_path}/pid").replace("/dev/stderr", f"{tmp_path}/errors"))
    (tmp_path / "nginx.conf").write_text(main)
    checked = subprocess.run([NGINX, "-t", "-p", tmp_path, "-c", tmp_path / "nginx.conf", "-e", "stderr"],
                             capture_output=True, text=True)
    if os.geteuid() and "mkdir()" in checked.stderr:
        pytest.skip("this nginx keeps its temporary folders where only root may")
    assert checked.returncode == 0, checked.stderr


class Echo(http.server.BaseHTTPRequestHandler):
    """A web process that answers with the headers it got."""

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.dumps(dict(self.headers)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def proxy(tmp_path):
    """nginx with the template's site before one such process; yields its port and where it writes its access log."""
    if NGINX is None:
        pytest.skip("nginx is not installed here")
    log = tmp_path / "access.log"
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo) as upstream, run_scaled.run_folder() as home:
        threading.Thread(target=upstream.serve_forever, daemon=True).start()
        plan = run_scaled.Plan(host="127.0.0.1", port=free_port(), webs=[upstream.server_port], workers=[], data=tmp_path,
                               python=sys.executable)
        (home / "nginx.conf").write_text(run_scaled.nginx_config(plan, home, NGINX, access_log=f"{log} readerai"))
        process = subprocess.Popen([NGINX, "-p", home, "-c", home / "nginx.conf", "-e", "stderr"])
        try:
            until = time.monotonic() + PATIENCE
            while time.monotonic() < until and process.poll() is None:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", plan.port)):
                    break
            yield plan.port, log
        finally:
            process.terminate()
            process.wait(PATIENCE)
            upstream.shutdown()


def ask(port: int, path: str, *, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request(method, path, body=body, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    said = answer.read()
    connection.close()
    return answer.status, json.loads(said) if answer.status == 200 else {}


def test_the_proxy_tells_who_asked_and_believes_no_visitor(proxy):
    port, _ = proxy
    status, heard = ask(port, "/", X_Forwarded_For="203.0.113.9", X_Forwarded_Proto="https")
    assert status == 200
    assert heard["Host"] == f"127.0.0.1:{port}"  # an Origin has the port too
    assert (heard["X-Forwarded-For"], heard["X-Forwarded-Proto"]) == ("127.0.0.1", "http")
    assert "Connection" not in heard  # kept open between the two
    _, heard = ask(port, "/ws/sessions/x/", Upgrade="websocket", Connection="Upgrade")
    assert (heard["Upgrade"], heard["Connection"]) == ("websocket", "upgrade")


def test_the_proxy_keeps_measures_inside_and_great_files_outside(proxy):
    port, _ = proxy
    assert ask(port, "/metrics", Authorization="Bearer right")[0] == 404
    assert ask(port, "/readyz")[0] == 200
    assert ask(port, "/texts/new/", method="POST", body=b"x" * 5_500_000)[0] == 200
    assert ask(port, "/texts/new/", method="POST", body=b"x" * 7_000_000)[0] == 413


def test_the_access_log_holds_no_secret_and_nobodys_address(proxy):
    port, log = proxy
    ask(port, "/ws/sessions/x/?ticket=SECRET")
    ask(port, "/j/KM4T9XPA/")
    until = time.monotonic() + PATIENCE
    while len(lines := log.read_text().splitlines()) < 2 and time.monotonic() < until:
        pass  # nginx writes a line when the answer is out
    assert [line.split()[1:4] for line in lines] == [["GET", "/ws/sessions/x/", "200"], ["GET", "/j/-", "200"]]
    # The one address is the web process's.
    assert all(re.findall(r"127\.0\.0\.1\S*", line) == [line.split()[-1]] for line in lines)


# ---------------------------------------------------------------- systemd


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_units_name_variables_and_commands_that_exist(unit):
    text = unit.read_text()
    named = set(re.findall(r"([A-Z_]+)=", " ".join(re.findall(r"^Environment=(.+)$", text, re.MULTILINE))))
    assert named - ROWS == {"PYTHONUNBUFFERED"}
    command = shlex.split(re.search(r"^ExecStart=(.+)$", text, re.MULTILINE)[1])[2]
    assert (ROOT / "sessions" / "management" / "commands" / f"{command}.py").exists()
    assert ast.literal_eval(re.search(r"^LimitNOFILE=(\d+)$", text, re.MULTILINE)[1]) >= 20_000


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed here")
def test_systemd_takes_the_units(tmp_path):
    copies = []
    for path in (DEPLOY / "systemd").iterdir():
        copy = tmp_path / path.name.replace("@.", "@8001.")
        for name in {path.name, copy.name}:
            (tmp_path / name).write_text(path.read_text().replace("/opt/readerai/.venv/bin/python", sys.executable))
        copies.append(copy)
    checked = subprocess.run(["systemd-analyze", "verify", *copies], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    complaints = [line for line in checked.stderr.splitlines() if "readerai" in line]
    assert not complaints
