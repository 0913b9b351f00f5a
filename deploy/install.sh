#!/bin/sh
# Install SSLPDL from this folder, without a network and without a compiler:
#
#   sh install.sh [FOLDER]          FOLDER is /opt/sslpdl by default; PYTHON=python3.11 names another Python
#
# Each installation is a folder of its own below FOLDER/releases, and FOLDER/current points to the last one, so that an
# update does not touch what is running and the one before can be had back. FOLDER/sslpdl.yaml is yours: it is written
# once and then left alone.
set -eu

fail() {
    echo "install.sh: $1" >&2
    exit 2
}

here=$(cd "$(dirname "$0")" && pwd)
target=${1:-/opt/sslpdl}
python=${PYTHON:-python3}
# what the bundle was made for
while IFS='=' read -r key value; do
    case $key in
        VERSION) version=$value ;;
        SYSTEM) system=$value ;;
        MACHINE) machine=$value ;;
        PYTHON) wanted=$value ;;
    esac
done <"$here/bundle.env"

[ "$(uname -s)" = "$system" ] && [ "$(uname -m)" = "$machine" ] ||
    fail "this bundle is for $system on $machine, this is $(uname -s) on $(uname -m); use the one made for it."
command -v "$python" >/dev/null || fail "there is no $python; install Python $wanted or name it: PYTHON=python$wanted."
found=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
[ "$found" = "$wanted" ] || fail "this bundle is for Python $wanted, $python is $found; name another: PYTHON=python$wanted."
"$python" -c 'import ensurepip, venv' 2>/dev/null || fail "$python has no venv; install it (Debian: python3-venv)."
if command -v sha256sum >/dev/null; then
    (cd "$here" && sha256sum --quiet -c SHA256SUMS >&2) || fail "the files above are damaged; copy the bundle again."
fi

mkdir -p "$target/releases" || fail "$target cannot be written; name another folder: sh install.sh FOLDER."
target=$(cd "$target" && pwd)
release="$target/releases/$version-$(date +%Y%m%d%H%M%S)"
trap 'rm -rf "$release"' EXIT
mkdir "$release"
echo "Installing SSLPDL $version into $release ..."
"$python" -m venv "$release/venv"
"$release/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-index --no-cache-dir \
    --find-links="$here/wheels" 'sslpdl[app]'
package=$("$release/venv/bin/python" -c 'import pathlib, sslpdl; print(pathlib.Path(sslpdl.__file__).parent)')
mkdir "$package/ops/prebuilt"
cp "$here"/operator/* "$package/ops/prebuilt/"
for folder in app configs data_samples deploy docs; do
    cp -R "$here/$folder" "$release/"
done
"$release/venv/bin/sslpdl" doctor | sed 's/^/  /'
trap - EXIT

ln -sfn "$release" "$target/current"
if [ ! -e "$target/sslpdl.yaml" ]; then
    cat >"$target/sslpdl.yaml" <<SETTINGS
# What is shown and how; all keys are in current/docs/operation.md. Paths are relative to this file.
archive: current/data_samples/august-2022.zarr
model: current/data_samples/models/sslpdl-small
view: init=2022-08-08T00:00&lead=12&threshold=1
cache: cache
port: 5006
SETTINGS
fi
echo "Done. Start it with:  $target/current/venv/bin/sslpdl app --config $target/sslpdl.yaml"
