# What .ci/run and .ci/full share: steps and their seconds, what a machine needs, the tests that .ci/run leaves out.
# A script sources this file from the root of the repository.

POSTGRESQL=${CMC_POSTGRESQL_URL:-postgres://postgres@127.0.0.1:5432/postgres}
MARIADB=${CMC_MARIADB_URL:-mysql://root@127.0.0.1:3306/test}
SECONDS_KEPT=.tox/ci-seconds.tsv # a line for each step of every run: start, commit, script, step, seconds, result

# ---- Steps ---------------------------------------------------------------------------------------------------

tier=$(basename "$0") started=$(date -u +%Y-%m-%dT%H:%M:%SZ) commit=$(git rev-parse --short HEAD 2>/dev/null || echo none)
table=() current="" began=0

# End the step before and begin the next.
step() {
    end_step ok
    current="$*" began=$SECONDS
    printf '\n=== %s  (%ss)\n' "$current" "$SECONDS"
}

# Keep the seconds of the step that ends.
end_step() {
    [ -n "$current" ] || return 0
    local took=$((SECONDS - began))
    table+=("$(printf '%6s s  %-6s  %s' "$took" "$1" "$current")")
    mkdir -p "$(dirname "$SECONDS_KEPT")"
    printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$started" "$commit" "$tier" "$current" "$took" "$1" >>"$SECONDS_KEPT"
    current=""
}

# Print the table, also when a step failed or was interrupted.
report() {
    local code=$?
    trap - EXIT
    if [ "$code" -eq 0 ]; then end_step ok; else end_step FAILED; fi
    if [ ${#table[@]} -gt 0 ]; then
        printf '\n=== .ci/%s: seconds of each step (kept in %s)\n' "$tier" "$SECONDS_KEPT"
        printf '%s\n' "${table[@]}"
        printf '%6s s  in all\n' "$SECONDS"
    fi
    if [ "$code" -eq 0 ]; then echo "=== all is well"; else echo "=== FAILED, exit code $code" >&2; fi
    exit "$code"
}
trap report EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Run tox as a step: run_tox ENVIRONMENTS [-- ARGUMENTS].
run_tox() {
    step "tox run -e $1"
    .venv/bin/tox run -e "$@"
}

# Run tests as a step, in an environment that several steps share: run_on ENVIRONMENT DATABASE ARGUMENTS.
# `what` says in the table what is tested. The second step in an environment does not install the package again.
installed=" "
run_on() {
    local environment=$1 database=$2 url="" again=()
    shift 2
    case $installed in *" $environment "*) again=(--skip-pkg-install) ;; esac
    installed+="$environment "
    case $database in
        postgresql) url=$POSTGRESQL ;;
        mariadb) url=$MARIADB ;;
    esac
    step "$environment on $database: ${what:-pytest}"
    DATABASE_URL=$url .venv/bin/tox run "${again[@]}" -e "$environment" -- "$@"
}

# The README's test command; in CI it is the coverage run as well.
readme_test() {
    step "the README's test command, with coverage"
    export CMC_COVERAGE="--cov --cov-report=term --cov-fail-under=95"
    python3 -m venv .venv && .venv/bin/python -m pip install --quiet tox && .venv/bin/tox run -e test
    unset CMC_COVERAGE
}

# Say which Django the package index has if pre-releases count, such as 6.2b1. Nothing if it cannot be asked.
newest_django() {
    .venv/bin/python -m pip index versions --pre --python-version 3.13 django 2>/dev/null | sed -n '1s/.*(\(.*\))$/\1/p'
}

# ---- The machine ---------------------------------------------------------------------------------------------

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

await() {
    for _ in $(seq 60); do listens "$1" && return 0; sleep 1; done
    echo "nothing listens on port $1" >&2
    return 1
}

# Say whether the server of a URL listens: reaches URL.
reaches() {
    python3 - "$1" <<'PYTHON' 2>/dev/null
import socket, sys
from urllib.parse import urlsplit
url = urlsplit(sys.argv[1])
ports = {"postgres": 5432, "postgresql": 5432, "mysql": 3306}
socket.create_connection((url.hostname, url.port or ports[url.scheme]), timeout=3)
PYTHON
}

need_packages() {
    local missing=()
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
}

# Install and start what is missing. For CI's own machines only: these servers ask for no password.
install_and_start() {
    step "system packages"
    need_packages python3-venv gcc pkg-config libmariadb-dev gettext chromium fonts-noto-cjk
    command -v npm >/dev/null || need_packages npm

    if ! listens 5432; then
        step "PostgreSQL"
        need_packages postgresql
        local version
        version=$(ls /etc/postgresql | sort -V | tail -n 1)
        sed -i -E 's/^(local|host)(\s.*\s)(peer|scram-sha-256|md5)$/\1\2trust/' "/etc/postgresql/$version/main/pg_hba.conf"
        pg_ctlcluster --skip-systemctl-redirect "$version" main restart
        await 5432
    fi

    if ! listens 3306; then
        step "MariaDB"
        need_packages mariadb-server
        mkdir -p /run/mysqld && chown mysql /run/mysqld
        start-stop-daemon --start --oknodo --background --exec /usr/sbin/mariadbd -- --user=mysql
        await 3306
        mariadb -u root -e "ALTER USER root@localhost IDENTIFIED VIA mysql_native_password USING PASSWORD('')"
    fi

    if ! listens 6379; then
        step "Redis"
        need_packages redis-server
        redis-server --daemonize yes --bind 127.0.0.1 --port 6379 --save "" --appendonly no
        await 6379
    fi

    if ! listens 5672; then
        step "RabbitMQ"
        need_packages rabbitmq-server
        rabbitmq-server -detached
        await 5672
    fi
}

# Name what is missing, and stop before the first step. This changes nothing on the machine.
check_machine() {
    local missing=()
    reaches "$POSTGRESQL" || missing+=("PostgreSQL on 127.0.0.1:5432 (or CMC_POSTGRESQL_URL)")
    reaches "$MARIADB" || missing+=("MariaDB on 127.0.0.1:3306 (or CMC_MARIADB_URL)")
    listens 6379 || missing+=("Redis on 127.0.0.1:6379")
    listens 5672 || missing+=("RabbitMQ on 127.0.0.1:5672")
    [ -x "${CMC_BROWSER:-/usr/bin/chromium}" ] || missing+=("chromium: /usr/bin/chromium (or CMC_BROWSER)")
    command -v npm >/dev/null || missing+=("npm")
    command -v msgfmt >/dev/null || missing+=("gettext")
    command -v gcc >/dev/null || missing+=("gcc, to build mysqlclient")
    pkg-config --exists libmariadb 2>/dev/null || pkg-config --exists mysqlclient 2>/dev/null ||
        missing+=("pkg-config and libmariadb-dev, to build mysqlclient")
    [ ${#missing[@]} -gt 0 ] || return 0

    printf 'Missing: %s\n' "${missing[@]}" >&2
    cat >&2 <<'TEXT'

The scripts in .ci install and configure nothing on this machine. They use the servers that run.
There are two ways to continue:

1. Run the tests on SQLite alone. This needs no server:
       .venv/bin/tox run -e test
2. Start the servers in containers, which listen on this machine only:
       docker run -d -p 127.0.0.1:5432:5432 -e POSTGRES_PASSWORD=tests postgres
       docker run -d -p 127.0.0.1:3306:3306 -e MARIADB_ROOT_PASSWORD=tests -e MARIADB_DATABASE=test mariadb
       docker run -d -p 127.0.0.1:6379:6379 redis
       docker run -d -p 127.0.0.1:5672:5672 rabbitmq
       export CMC_POSTGRESQL_URL=postgres://postgres:tests@127.0.0.1:5432/postgres
       export CMC_MARIADB_URL=mysql://root:tests@127.0.0.1:3306/test

Install the programs with the package manager of your system.
TEXT
    exit 1
}

prepare_machine() {
    if [ -n "${CI+set}" ]; then install_and_start; else check_machine; fi
    # The other Pythons, where pyenv has them: tox does not look through its shims
    if command -v pyenv >/dev/null; then
        for version in 3.11.7 3.12.1 3.13.0; do
            PATH="$PATH:$(pyenv root)/versions/$version/bin"
        done
    fi
}

# ---- What .ci/run runs once, and on each pair of versions ------------------------------------------------------
# Each is a list of globs. A path that does not exist is no error.

# These depend on neither Django nor the database, or ask for a database of their own: the README's test command
# runs them. `workers` has a step of its own.
RUN_ONCE=(
    'tests/wire' 'tests/docs' 'tests/simulator' 'tests/workers' 'tests/test_status.py'
    'tests/backfill/test_client.py' 'tests/statistics/test_histogram.py' 'tests/suppression/test_rules.py'
    'tests/cases/test_replicas.py'
)

# These make projects of their own. They need psycopg, so one run on PostgreSQL has them.
MAKE_PROJECTS=('tests/cases/test_setup.py')

# These run SQL of our own, or depend on what the server does with it.
WHAT_IS_STORED=(
    tests/db tests/dispatch tests/erasure tests/ingest tests/models tests/reprocessing tests/retention
    tests/statistics tests/store tests/suppression tests/test_machine.py
)
