"""Which department a matter is for (自助派单, R21): proposed with a reason, never decided.

Rules that a 会商 has decided go first; then a classifier trained on matters as callers tell
them, on the knowledge base and on the list of responsibilities (权责清单); what it is not sure
of goes to a person. Pure: rules, region and sentence embedding are handed in.
"""

from flows.dispatch.errors import DispatchError
from flows.dispatch.model import DispatchModel
from flows.dispatch.proposal import Proposal, Rule, propose

__all__ = ["DispatchError", "DispatchModel", "Proposal", "Rule", "propose"]
