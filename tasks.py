"""The menu of the operator's commands, which `invoke --list` shows; each is in commands/."""

from invoke.collection import Collection
from invoke.main import program

from commands import (
    account,
    cloud,
    cluster,
    connect,
    cost,
    dashboards,
    doctor,
    documents,
    documents_connect,
    documents_shell,
    documents_template,
    documents_use,
    drill,
    head,
    images,
    images_compare,
    images_kept,
    images_scan,
    job,
    pause,
    probe,
    project,
    releases,
    rollout,
    token,
)
from commands.command_line import begin

namespace = Collection(
    images.bake,
    *(rollout.plan, rollout.deploy, rollout.rollback, rollout.destroy),
    *(pause.pause, pause.resume, cost.cost, cost.prices),
    *(releases.releases, releases.diff),
    *(doctor.doctor, probe.probe),
    *(cluster.status, cluster.verify, cluster.smoke, connect.connect),
    dashboards.dashboards,
    *(project.demo, project.check, project.test, project.thorough, project.mutants, project.lock),
    images=Collection(
        images.images,
        images.promote,
        images_kept.show,
        images_kept.diff,
        images_compare.compare,
        images_kept.attest,
        images_kept.prune,
        images_scan.scan,
    ),
    head=Collection(
        head.head_id,
        head.head_logs,
        head.head_shell,
        head.head_restart,
        head.head_replace,
        head.head_hand_over,
    ),
    job=Collection(job.job_submit, job.job_list, job.job_logs, job.job_stop),
    token=Collection(token.token_rotate),
    account=Collection(account.setup, account.template, account.remove),
    cloud=Collection(cloud.up, cloud.down, cloud.cloud_status, cloud.shell),
    documents=Collection(
        *(documents.plan, documents.deploy, documents.destroy, documents_template.template),
        *(documents.pause, documents.resume),
        *(documents.status, documents.verify, documents.cost),
        *(documents_connect.connect, documents_shell.shell),
        *(documents_use.add, documents_use.ask, documents_use.retry, documents_use.evaluate),
    ),
    drill=Collection(drill.run, drill.drill_report),
)

# Plain `invoke` imports this between its own options and the tasks.
if hasattr(program, "core"):
    begin(program, namespace)
