"""`objref completion`, and the answers that the scripts ask for.

The scripts are three lines: they call `objref completion --complete N WORD…` and take its lines. So what is
offered is always what this version knows, and objrefs come from the image itself.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator

HELP = """\
Print the completion script for a shell.

  bash:  source <(objref completion bash)
  zsh:   source <(objref completion zsh)
  fish:  objref completion fish | source
"""
OFFERED = 200
SCRIPTS = {
    "bash": """\
_objref() {
    local IFS=$'\\n' words=("${COMP_WORDS[@]}")
    local line=${COMP_LINE:0:COMP_POINT} word
    word=${line##*[[:space:]]}
    COMPREPLY=($(objref completion --complete -- $(printf '%s\\n' $(IFS=$' \\t'; echo $line) ${word:-''}) 2>/dev/null))
    [[ ${#COMPREPLY[@]} -gt 0 ]] || COMPREPLY=($(compgen -f -- "$word"))
    # bash splits words at colons: offer what follows the last one that was typed
    if [[ $word == *:* ]]; then COMPREPLY=("${COMPREPLY[@]#"${word%"${word##*:}"}"}"); fi
}
complete -o filenames -o nosort -F _objref objref 2>/dev/null || complete -F _objref objref
""",
    "zsh": """\
#compdef objref
_objref() {
    local -a found
    found=("${(@f)$(objref completion --complete -- ${words[1,CURRENT]} 2>/dev/null)}")
    if [[ -n ${found[1]} ]]; then compadd -Q -- $found; else _files; fi
}
compdef _objref objref
""",
    "fish": """\
function __objref_complete
    set -l words (commandline -opc) (commandline -ct)
    objref completion --complete -- $words 2>/dev/null
end
complete -c objref -a '(__objref_complete)'
""",
}


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("shell", metavar="SHELL", nargs="?", choices=tuple(SCRIPTS), help="bash, zsh or fish")
    parser.add_argument("--complete", nargs=argparse.REMAINDER, metavar="WORD", help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Print a script, or candidates for the last word."""
    if args.complete is not None:
        words = [word for word in args.complete if word != "--"][1:] or [""]
        for candidate in itertools.islice(_candidates(words), OFFERED):
            print(candidate)
        return 0
    if args.shell is None:
        print(HELP, end="")
        return 2
    print(SCRIPTS[args.shell], end="")
    return 0


def _candidates(words: list[str]) -> Iterator[str]:
    """What the last of the words may become."""
    from objref.cli import VERBS, build_parser

    last = words[-1]
    if len(words) == 1:
        yield from (verb for verb in VERBS if verb.startswith(last))
        return
    if words[0] not in VERBS:
        return
    if last.startswith("-"):
        verbs = next(a for a in build_parser(words[0])._actions if isinstance(a, argparse._SubParsersAction))
        options = verbs.choices[words[0]]._option_string_actions
        yield from (option for option in sorted(options) if option.startswith(last))
        return
    places = [word for word in words[1:] if not word.startswith("-")]
    if words[0] in ("get", "show", "ls") and len(places) > 1:
        yield from _from_image(places[0], last, words[0] == "ls")


def _from_image(path: str, prefix: str, kinds_only: bool) -> Iterator[str]:
    from objref.errors import ObjrefError
    from objref.image import open_image
    from objref.names import format_objref

    try:
        with open_image(path, access="pread") as image:
            for layer, name in image.spaces():
                label = f"{layer}/{name}" if layer else name
                if kinds_only or ":" not in prefix:
                    yield from [label + ("" if kinds_only else ":")] if label.startswith(prefix) else []
                elif prefix.startswith(label + ":"):
                    space = image.space(name, layer)
                    names = (format_objref(layer, name, key, space.form) for key in space)
                    yield from (found for found in names if found.startswith(prefix))
    except (ObjrefError, OSError):
        return
