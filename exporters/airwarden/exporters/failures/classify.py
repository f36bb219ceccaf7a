"""One cause for a failed attempt, by a table of rules. Pure: everything known is handed in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from airwarden.core.failures import Cause, Evidence, FailureRule, Raised, Verdict

#: How deep in a traceback its end still tells where the time was spent.
_INNERMOST = 3
AUDIT_LOG, DEPENDENCY, NONE = "audit_log", "dependency", "none"
#: What stands for a DAG's own file among the packages of a traceback.
OWN_CODE = "dag"


class Classifier:
    """Decides by a site's own rules first, then by the shipped ones.

    Args:
        own: The site's rules; whatever they match, they win.
        shipped: The table that comes with Airwarden.
    """

    def __init__(self, own: Sequence[FailureRule], shipped: Sequence[FailureRule]) -> None:
        self._tables = (tuple(own), tuple(shipped))

    def verdict(
        self,
        evidence: Evidence,
        *,
        operator: str = "",
        events: Collection[str] = (),
        down: Collection[str] = (),
    ) -> Verdict:
        """Return the one cause of an attempt.

        Args:
            evidence: What a report or a log says; an empty one where neither came.
            operator: The operator's class, from Airflow's database.
            events: What Airflow's audit log holds about the attempt.
            down: Systems that its DAG declares to need and that did not answer at that time.
        """
        operators = evidence.operators or ((operator,) if operator else ())
        for rules in self._tables:
            found = self._by_rules(rules, evidence, operators, events)
            if found is not None:
                return found
        if down:
            name = min(down)
            return self._with(
                evidence,
                Verdict(Cause.DEPENDENCY, DEPENDENCY, f"{name}, which its DAG needs, was down"),
            )
        said = evidence.source or NONE
        if evidence.raised and evidence.packages[:1] == (OWN_CODE,):
            own = Verdict(Cause.DAG_CODE, said, "raised in the DAG's own code")
            return self._with(evidence, own)
        why = "no rule knows this exception" if evidence.raised else "nothing tells how it ended"
        return self._with(evidence, Verdict(Cause.UNKNOWN, said, why))

    def _by_rules(
        self,
        rules: Sequence[FailureRule],
        evidence: Evidence,
        operators: tuple[str, ...],
        events: Collection[str],
    ) -> Verdict | None:
        """Look at what the platform wrote down, then at the exceptions, then at the log's lines."""
        for rule in rules:
            event = next((one for one in rule.events if one in events), None)
            if event is not None and _fits_operator(rule, operators):
                return Verdict(rule.cause, AUDIT_LOG, rule.why, event=event)
        wanted = [rule for rule in rules if _fits(rule, evidence, operators)]
        # A process that was killed says more than what it raised before.
        found = _by_code(wanted, evidence.codes)
        if found is None:
            for raised in evidence.raised:
                found = _by_exception(wanted, raised)
                if found is not None:
                    break
        if found is None:
            found = _by_text(wanted, evidence)
        if found is None:
            return None
        return self._with(evidence, replace(found, source=evidence.source or NONE))

    @staticmethod
    def _with(evidence: Evidence, verdict: Verdict) -> Verdict:
        """Add what is known whatever decided: the exception, a connection, a fingerprint."""
        first = evidence.raised[0] if evidence.raised else Raised(())
        return replace(
            verdict,
            exception=verdict.exception or (first.classes[0] if first.classes else ""),
            connection=evidence.connections[0] if evidence.connections else "",
            fingerprint=verdict.fingerprint or first.fingerprint,
        )


def _fits(rule: FailureRule, evidence: Evidence, operators: tuple[str, ...]) -> bool:
    """Whether a rule is about what ends like this at all; exceptions, codes and texts are seen to later."""
    if rule.events or not _fits_operator(rule, operators):
        return False
    return not rule.packages or bool(set(rule.packages) & set(evidence.packages[:_INNERMOST]))


def _fits_operator(rule: FailureRule, operators: tuple[str, ...]) -> bool:
    return not rule.operators or any(
        fnmatchcase(operator, pattern) for operator in operators for pattern in rule.operators
    )


def _by_code(rules: Iterable[FailureRule], codes: Iterable[str]) -> Verdict | None:
    for rule in rules:
        if rule.codes and not rule.exceptions and not rule.texts:
            for code in codes:
                if _any(code, rule.codes):
                    return Verdict(rule.cause, "", rule.why, code=code)
    return None


def _by_exception(rules: Sequence[FailureRule], raised: Raised) -> Verdict | None:
    """Look an exception up: by its codes, by its class, then by each of its bases."""
    found = _by_code((rule for rule in rules if not _is_last_resort(rule)), raised.codes)
    if found is None:
        found = _by_class(rules, raised) or _by_code(rules, raised.codes)
    if found is None:
        return None
    return replace(
        found,
        exception=raised.classes[0] if raised.classes else "",
        fingerprint=raised.fingerprint,
    )


def _by_class(rules: Sequence[FailureRule], raised: Raised) -> Verdict | None:
    for cls in raised.classes:
        for rule in rules:
            if not rule.exceptions or rule.texts or not _names(rule.exceptions, cls):
                continue
            code = next((code for code in raised.codes if _any(code, rule.codes)), "")
            if code or not rule.codes:
                return Verdict(rule.cause, "", rule.why, code=code)
    return None


def _by_text(rules: Iterable[FailureRule], evidence: Evidence) -> Verdict | None:
    classes = [cls for raised in evidence.raised for cls in raised.classes]
    for rule in rules:
        if rule.exceptions and not any(_names(rule.exceptions, cls) for cls in classes):
            continue
        for text in rule.texts:
            if any(text.lower() in line for line in evidence.texts):
                return Verdict(rule.cause, "", rule.why)
    return None


def _is_last_resort(rule: FailureRule) -> bool:
    """Whether a rule's codes say so little that the exception's class is to be asked before."""
    return all(code in ("exit:*", "http:4??") for code in rule.codes)


def _any(code: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(code, pattern) for pattern in patterns)


def _names(patterns: Iterable[str], cls: str) -> bool:
    """Whether a class is one that a rule names; of a class without a module the name alone counts."""
    module, _, name = cls.rpartition(".")
    top = module.partition(".")[0]
    for pattern in patterns:
        package, _, wanted = pattern.rpartition(".")
        if not fnmatchcase(name, wanted):
            continue
        if not package or package == top or (not top and "*" not in wanted):
            return True
    return False
