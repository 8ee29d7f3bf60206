// Everything that the page says, in one place.

export const STATES = {
  ready: "可以拨打",
  connecting: "接通中…",
  talking: "通话中",
  ended: "通话已结束",
};

/** What went wrong, and what to do. */
export const FAULTS = {
  wrong_token: [
    "访问令牌无效",
    "请核对令牌是否完整、是否已被撤销；管理员可用 voicebot token create media 新建一个。",
  ],
  wrong_role: [
    "此令牌不能拨打电话",
    "拨打需要 media 或 admin 角色的令牌；管理员可用 voicebot token create media 新建一个。",
  ],
  service_away: ["连接不到服务", "请确认服务已启动、网络正常，然后重试。"],
  service_fault: ["服务暂时不能回答", "请稍后重试；如果一直如此，请管理员运行 voicebot doctor。"],
  mic_denied: [
    "没有话筒权限",
    "请点击地址栏旁的图标，允许本页使用话筒，然后重新拨打。",
  ],
  mic_missing: ["没有找到话筒", "请接上话筒或耳麦，然后重新拨打。"],
  mic_busy: ["话筒无法打开", "它可能正被其他程序占用；请关闭那个程序，然后重新拨打。"],
  microphone_lost: ["话筒已断开", "请重新接上话筒，然后再次拨打。"],
  insecure: [
    "浏览器不允许本页使用话筒",
    "话筒只能在 https 网址或本机（127.0.0.1）上使用；请用这样的网址打开本页。",
  ],
  old_browser: ["浏览器版本过低", "请用新版的 Chrome、Edge、Firefox 或 Safari 打开本页。"],
  unreachable: ["电话没有接通", "连接不到服务；请检查网络，然后重新拨打。"],
  no_answer: ["服务没有应答", "请稍后重新拨打；如果一直如此，请管理员查看服务日志。"],
  lost: ["通话中断", "与服务的连接断开了；请检查网络，然后重新拨打。"],
  refused: ["电话被拒绝", "服务没有接受这次呼叫。"],
  full: ["线路全忙", "现在所有线路都在使用；请过一会儿再拨。"],
  not_ours: ["号码未开通", "所选号码不在本服务的线路中；请另选一条线路。"],
  too_many: ["此号码的通话过多", "这个主叫号码已有通话正在进行；请先结束它，或换一个号码。"],
  duplicate: ["重复的通话", "这次呼叫已有记录；请重新拨打。"],
  stopping: ["服务正在停止", "请等服务重新启动后再拨。"],
};

/** What the service says when it closes a call's socket → a fault. */
export const REFUSALS = {
  "The token is missing or wrong.": "wrong_token",
  "All lines are in use; try again in a moment.": "full",
  "The dialled number is not one of this service's lines.": "not_ours",
  "Too many calls of this number are in progress.": "too_many",
  "A call with this id is in progress or on record already.": "duplicate",
  "The service is being stopped.": "stopping",
};

/** The far side of a transfer, by its number in the duty directory. */
export function destination(number) {
  if (number.startsWith("seat")) return "人工坐席";
  return number.split("-")[0];
}

/** What a transfer's leg is doing; `null` when it is over. */
export function transfer(state, who) {
  switch (state) {
    case "connecting":
    case "reached": return `正在转接${who}…`;
    case "ringing": return `正在转接${who}，对方振铃中…`;
    case "answered": return `${who}已接起，等待应答…`;
    case "acknowledged": return `已与${who}通话`;
    default: return null;
  }
}

const ENDINGS = {
  busy: "忙线",
  no_answer: "无人接听",
  unreachable: "无法接通",
  lost: "线路中断",
  ended: "对方已挂断",
  hung_up: "已结束",
  transferred: "已转出",
};

export const transferEnded = (who, reason) => `${who}：${ENDINGS[reason] ?? "已结束"}`;

export const NOTES = {
  readable: "通话文字将显示在这里。",
  unreadable: "此令牌只能通话，不能查看文字；查看需要 admin、supervisor 或 agent 角色。",
  feedLost: "实时文字中断了，通话不受影响。",
  muted: "已静音",
};

export const ended = (by, time) => `${by === "us" ? "您已挂断" : "对方已挂断"} · 通话 ${time}`;
