"""`objref completion`, and the answers that the scripts ask for.

The scripts are short: they call `objref __complete WORD…` and take its lines. So what is offered is always what this
version knows, and objrefs come from the image itself.
"""

from __future__ import annotations

import argparse
import itertools
import re
from collections.abc import Iterable, Iterator

HELP = """\
Print the completion script for a shell.

  bash:  source <(objref completion bash)
  zsh:   source <(objref completion zsh)
  fish:  objref completion fish | source
"""
OFFERED = 200
PLAIN = re.compile(r"[\w./:@%+,~^#][\w./:@%+,~^#=-]*", re.ASCII)
"""What shells take as it stands. They put what is offered into the line unquoted, so a name of `$(…)` would be run."""
SCRIPTS = {
    "bash": """\
_objref() {
    local line=${COMP_LINE:0:COMP_POINT} words word IFS=$' \\t'
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    word=${words[-1]}
    IFS=$'\\n'
    COMPREPLY=($(objref __complete "${words[@]:1}" 2>/dev/null))
    if ((${#COMPREPLY[@]} == 0)); then
        compopt -o filenames 2>/dev/null
        COMPREPLY=($(compgen -f -- "$word"))
    elif [[ $word == *:* && $COMP_WORDBREAKS == *:* ]]; then
        # bash splits words at colons: offer only what follows the last one that was typed
        COMPREPLY=("${COMPREPLY[@]#"${word%"${word##*:}"}"}")
    fi
}
complete -o nosort -F _objref objref
""",
    "zsh": """\
#compdef objref
_objref() {
    local -a found
    found=("${(@f)$(objref __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n ${found[1]} ]]; then compadd -Q -- $found; else _files; fi
}
compdef _objref objref
""",
    "fish": """\
function __objref_complete
    set -l words (commandline -opc) (commandline -ct)
    objref __complete $words[2..-1] 2>/dev/null
end
complete -c objref -a '(__objref_complete)'
""",
}


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("shell", metavar="SHELL", choices=tuple(SCRIPTS), help="bash, zsh or fish")


def run(args: argparse.Namespace) -> int:
    """Print a script."""
    print(SCRIPTS[args.shell], end="")
    return 0


def complete(words: list[str]) -> int:
    """Print candidates for the last of the words, one a line; nothing where file names are wanted."""
    for candidate in itertools.islice(_candidates(words or [""]), OFFERED):
        print(candidate)
    return 0


def _candidates(words: list[str]) -> Iterator[str]:
    """What the last of the words may become."""
    from objref.cli import VERBS
    from objref.cli.parser import build_parser

    last = words[-1]
    if len(words) == 1:
        yield from (verb for verb in VERBS if verb.startswith(last))
        return
    if words[0] not in VERBS:
        return
    verbs = next(a for a in build_parser(words[0])._actions if isinstance(a, argparse._SubParsersAction))
    options = verbs.choices[words[0]]._option_string_actions
    if last.startswith("-"):
        yield from (option for option in sorted(options) if option.startswith(last))
        return
    places, waiting = _places(words[1:-1], options)
    if waiting is not None:
        yield from _values(waiting, places, last)
    elif words[0] in ("extract", "get", "show", "refs", "graph", "ls") and places:
        yield from _from_image(places[0], last, words[0] == "ls")


def _places(words: list[str], options: dict[str, argparse.Action]) -> tuple[list[str], argparse.Action | None]:
    """The words that are no options or values of options, and the option that waits for its value."""
    places: list[str] = []
    waiting: argparse.Action | None = None
    for word in words:
        if waiting is not None:
            waiting = None
        elif not word.startswith("-"):
            places.append(word)
        elif word in options and options[word].nargs != 0:
            waiting = options[word]
    return places, waiting


def _values(option: argparse.Action, places: list[str], prefix: str) -> Iterator[str]:
    """Values of an option: its choices, or names that the image has."""
    if option.choices is not None:
        yield from (str(choice) for choice in option.choices if str(choice).startswith(prefix))
    elif option.metavar in ("ROLE", "KIND") and places:
        from objref.errors import ObjrefError
        from objref.image import open_image

        try:
            with open_image(places[0], access="pread") as image:
                entries = image.container.roles if option.metavar == "ROLE" else image.kinds()
                yield from _plain(prefix, (entry.name for entry in entries))
        except (ObjrefError, OSError):
            return


def _from_image(path: str, prefix: str, kinds_only: bool) -> Iterator[str]:
    from objref.errors import ObjrefError
    from objref.image import open_image
    from objref.names import format_objref

    try:
        with open_image(path, access="pread") as image:
            for layer, name in image.spaces():
                label = f"{layer}/{name}" if layer else name
                if kinds_only or ":" not in prefix:
                    yield from _plain(prefix, [label + ("" if kinds_only else ":")])
                elif prefix.startswith(label + ":"):
                    space = image.space(name, layer)
                    names = (format_objref(layer, name, key, space.form) for key in space)
                    yield from _plain(prefix, names)
    except (ObjrefError, OSError):
        return


def _plain(prefix: str, names: Iterable[str]) -> Iterator[str]:
    """Those that fit, and that a shell takes as text."""
    return (name for name in names if name.startswith(prefix) and PLAIN.fullmatch(name))
