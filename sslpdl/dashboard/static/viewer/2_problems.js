// What the server says when something cannot be done: it says it in English, with a kind by which it is known here.

const KOREAN_PROBLEMS = {
  no_model: "이 자료에 맞는 모델이 없어 강수확률을 표시할 수 없습니다.",
  no_forecast: "저장된 예측에 이 초기시각이 없습니다.",
  failed: (sentence) => `강수확률을 계산하지 못했습니다. (${sentence})`,
  unreadable: (sentence) => `이 초기시각의 자료를 읽을 수 없습니다. (${sentence})`,
  computing: "이 초기시각의 강수확률을 아직 계산하고 있습니다. 지도에 표시된 뒤 다시 요청하십시오.",
  reading: "이 초기시각의 자료를 아직 읽고 있습니다. 잠시 뒤 다시 요청하십시오.",
  no_counts: (sentence) => `검증 집계 자료가 없습니다. (${sentence})`,
  nothing_to_verify: "QPE와 강수확률이 모두 있는 초기시각이 아직 없어 검증할 수 없습니다. QPE가 있는 초기시각을 여십시오.",
  beside_grid: "이 지점은 예보 격자 밖에 있습니다. 다른 지점을 고르십시오.",
  too_large: "너무 큽니다. 선행시간을 줄이거나 권역을 고르십시오.",
  first_after_last: "시작 선행시간이 끝 선행시간보다 늦습니다.",
  reload: "이 화면의 선택 항목이 서버에 더 이상 없습니다. 페이지를 새로 고친 뒤 다시 요청하십시오.",
  one_file: "이미 파일을 만들고 있습니다. 끝날 때까지 기다리거나 취소하십시오.",
  forecast_already: "이 초기시각들은 이미 예측하고 있습니다.",
  busy: "서버에 대기 중인 작업이 많습니다. 잠시 뒤 다시 시도하십시오.",
  unexpected: "처리하지 못했습니다. 이유는 서버 로그에 있습니다.",
};

// The sentence of a message with `problem` and `problem_kind`, in the language of the page where it is known.
function problemText({ problem, problem_kind: kind }) {
  const known = spoken === "ko" ? KOREAN_PROBLEMS[kind] : undefined;
  if (!problem || !known) return problem ?? "";
  return typeof known === "function" ? known(problem) : known;
}
