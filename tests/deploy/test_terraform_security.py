"""What checkov has against the Terraform code: nothing but what is explained here."""

from __future__ import annotations

from tests.support.checkov import FailedCheck, run_checkov
from tests.support.terraform.program import TERRAFORM

KEY = ("module.foundation.module.encryption.aws_iam_policy_document.key", "modules/encryption/main.tf")
MACHINE = ("aws_sfn_state_machine.this", "option1-ecs-fargate/main.tf")
EXPLAINED = {
    # A key's own policy: "*" there is the key itself, and without kms:* for the account nobody could administer it.
    FailedCheck("CKV_AWS_109", *KEY),
    FailedCheck("CKV_AWS_111", *KEY),
    FailedCheck("CKV_AWS_356", *KEY),
    # Step Functions keeps the history of a standard state machine for 90 days. Both would need permissions on
    # "*", and there is one execution a job.
    FailedCheck("CKV_AWS_284", *MACHINE),
    FailedCheck("CKV_AWS_285", *MACHINE),
    # It is attached by the options, across a module's border that checkov does not look over.
    FailedCheck("CKV2_AWS_5", "module.foundation.module.network.aws_security_group.job", "modules/network/main.tf"),
}


def test_checkov_finds_what_is_explained_and_nothing_else() -> None:
    assert set(run_checkov(TERRAFORM, "terraform")) == EXPLAINED
