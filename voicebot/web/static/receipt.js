// The receipt of a notice: the link's id and token stay behind the #, out of every log. A button
// and not the visit acknowledges: mail scanners open links too.

const told = document.getElementById("told");
const button = document.getElementById("confirm");
const [receipt, token] = location.hash.slice(1).split(".");

if (!receipt || !token) {
  told.textContent = "链接不完整，请用短信或邮件里的完整链接打开。";
  button.hidden = true;
}

button.addEventListener("click", async () => {
  button.disabled = true;
  told.textContent = "正在确认……";
  try {
    const answer = await fetch(`/v1/duty/receipts/${encodeURIComponent(receipt)}`, {
      method: "POST",
      headers: { Authorization: `Bearer ${token}` },
    });
    if (!answer.ok) throw new Error(String(answer.status));
    const done = await answer.json();
    told.textContent = done.first
      ? `已确认，单号 ${done.subject}。`
      : `${done.acknowledged_by} 已经确认过，单号 ${done.subject}。`;
    button.hidden = true;
  } catch {
    told.textContent = "没有确认成功，请再试一次，或打电话给值班室。";
    button.disabled = false;
  }
});
